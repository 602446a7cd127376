"""Emulated portals for flow tests and `connector demo`: state in memory, the vendor's own bodies, faults on demand."""
