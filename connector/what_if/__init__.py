"""What a mapping, settings or time alone would change, without changing it; `simulate` does so for a file.

It reads with the store, decides with the core, and knows nothing of the operations and faces above it.
"""
