"""The response to an incident: four desks (on-call, playbooks, containment, communications) that do not know each other."""
