"""The JSON API, version 1; and the addresses where other systems send what they report."""
