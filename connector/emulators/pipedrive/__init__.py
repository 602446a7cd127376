"""The emulated pipedrive."""
