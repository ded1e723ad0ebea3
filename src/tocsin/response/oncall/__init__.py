"""On-call: who is called, in which order, and who has answered."""
