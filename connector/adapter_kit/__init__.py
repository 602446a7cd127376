"""What an adapter is written with: the contract, and the helpers that adapters share. Knows the core only."""
