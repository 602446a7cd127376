"""An emulated kintone app: its people, its records, its REST interface and its webhooks."""
