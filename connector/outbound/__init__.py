"""From the outbox to the external systems (updates) and to people (notices)."""
