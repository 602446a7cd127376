"""An emulated Amis: its people, its REST interface and its webhooks."""
