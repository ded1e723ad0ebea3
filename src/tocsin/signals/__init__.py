"""Signals: everything that can report trouble, read into typed facts."""
