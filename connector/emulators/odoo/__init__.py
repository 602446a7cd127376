"""An emulated Odoo: its people, its models, its JSON interface and its webhooks."""
