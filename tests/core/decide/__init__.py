"""What `decide` makes of a batch, without a database."""
