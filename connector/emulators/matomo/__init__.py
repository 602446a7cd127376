"""The emulated matomo."""
