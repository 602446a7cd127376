"""The emulated xinnet."""
