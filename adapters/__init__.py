"""The adapters, one module per external system; this file holds the only list of them."""
