"""What is held of one person: handed out, and erased; and who may be one person without its being known."""
