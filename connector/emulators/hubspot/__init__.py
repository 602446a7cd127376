"""The emulated hubspot."""
