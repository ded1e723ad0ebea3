"""One pure parser per wire format: outside text becomes typed facts or a named error."""
