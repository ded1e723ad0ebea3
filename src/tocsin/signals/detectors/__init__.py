"""The functions that monitors apply: one file per dimension of DET-1 to DET-6."""
