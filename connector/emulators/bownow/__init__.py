"""The emulated bownow."""
