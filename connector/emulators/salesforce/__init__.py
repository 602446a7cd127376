"""An emulated Salesforce organization: its people, its REST interface and its messages."""
