"""Words that every stage shares: time, ids, errors, canonical bytes, events, severity, predicates."""
