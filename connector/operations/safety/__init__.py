"""What keeps the data safe: backups, who may read the files, whether it can be written, and what to do if not."""
