"""A Python interpreter to think with."""
