"""The emulated segment."""
