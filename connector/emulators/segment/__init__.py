"""An emulated site whose events Segment sends on."""
