"""What a mapping, settings or time alone would change, without changing it; `simulate` does so for a file."""
