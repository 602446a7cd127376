"""An emulated CRM of the kind that the adapter `generic` speaks to by settings."""
