"""The emulated youyi."""
