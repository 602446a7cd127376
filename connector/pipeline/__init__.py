"""From a stored delivery to states, decisions and the outbox: claim, read, load, decide, save."""
