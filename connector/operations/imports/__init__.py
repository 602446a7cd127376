"""Bringing in what was there before: a system's own records, or the rows of a file."""
