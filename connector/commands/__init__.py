"""The commands, one module per noun: each reads its arguments, calls an operation and prints what it gives."""
