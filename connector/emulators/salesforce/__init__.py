"""The emulated salesforce."""
