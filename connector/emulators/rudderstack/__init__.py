"""The emulated rudderstack."""
