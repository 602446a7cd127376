"""An emulated BowNow: its people, its REST interface with tokens, and its webhooks."""
