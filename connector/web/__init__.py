"""The web layer: HTTP in front of functions that the command line calls alike."""
