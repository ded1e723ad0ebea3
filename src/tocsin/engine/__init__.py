"""What follows what: intake, monitors, escalation, playbooks, containment, updates, evidence; run as jobs."""
