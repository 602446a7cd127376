"""Imitations of the external systems, for tests, the demonstration and people who want to try.

The product does not know them.
"""
