"""What is held of one person: handed out, and erased."""
