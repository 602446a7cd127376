"""The emulated generic."""
