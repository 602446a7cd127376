"""The emulated amis."""
