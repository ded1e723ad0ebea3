"""Outside systems: one file each. The only place that knows their libraries and addresses."""
