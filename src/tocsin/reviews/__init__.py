"""After the incident: the review, its fairness section, and action items that can be checked."""
