"""An emulated site that PostHog watches and tells of."""
