"""Incidents: declared harm, or threat of harm, under response."""
