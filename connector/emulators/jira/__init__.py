"""The emulated jira."""
