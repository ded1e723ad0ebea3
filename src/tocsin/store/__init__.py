"""The database: inbox, event store, jobs, read models; one transaction carries a decision whole."""
