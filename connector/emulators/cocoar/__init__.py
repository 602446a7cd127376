"""The emulated cocoar."""
