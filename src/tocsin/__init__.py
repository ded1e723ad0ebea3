"""tocsin: incident response for AI systems whose record can be proved."""

__version__ = "0.1.0"
