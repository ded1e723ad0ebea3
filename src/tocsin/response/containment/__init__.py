"""Containment desk: preview, approval, snapshot, action, verification; in that order (CON-1..5)."""
