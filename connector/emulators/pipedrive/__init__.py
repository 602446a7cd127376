"""An emulated Pipedrive company: its people, its REST interface and its webhooks."""
