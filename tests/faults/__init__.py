"""Faults that last, end or lie: what was acknowledged is there, once, and right; nobody has to lend a hand."""
