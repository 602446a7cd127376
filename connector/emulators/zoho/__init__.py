"""An emulated Zoho CRM: its people, its REST interface and its notification channels."""
