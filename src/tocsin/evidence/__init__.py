"""Proof: the Merkle log, signed checkpoints, custody of evidence, exports and their offline verifier.

Knows the kernel only, so that the verifier stays small enough for one person to read.
"""
