"""Communications: what is told, to whom, in which words, and when the next word is due."""
