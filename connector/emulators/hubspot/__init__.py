"""An emulated HubSpot account: its people, its REST interface and its signed batches of events."""
