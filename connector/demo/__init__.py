"""The stories that `connector demo` plays with emulated systems: half a year of leads, or a busy day, and the check."""
