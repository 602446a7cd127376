"""The emulated posthog."""
