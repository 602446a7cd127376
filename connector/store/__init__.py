"""The store: the tables, the one way to write to them, and every query by name."""
