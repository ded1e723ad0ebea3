"""Playbooks desk: what is wrong with a playbook before anybody needs it, and the run of one."""
