"""Alerts: conditions that ask for attention; their identity, their groups, and who hears of them."""
