"""The emulated kintone."""
