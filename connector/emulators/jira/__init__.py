"""An emulated Jira site: its people, its issues, its REST interface and its webhooks."""
