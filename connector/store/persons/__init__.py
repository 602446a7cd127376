"""Queries on all that is kept of a person: what of it grows old, what is handed out, and what is erased."""
