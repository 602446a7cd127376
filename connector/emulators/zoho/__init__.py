"""The emulated zoho."""
