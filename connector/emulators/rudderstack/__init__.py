"""An emulated site whose events RudderStack sends on."""
