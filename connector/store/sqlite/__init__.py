"""SQLite's file itself: which one it is, whether it is whole, and whose turn to write it is."""
