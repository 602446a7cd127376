"""What every emulator is made of: a server on loopback, webhooks that go out late, twice or not at all, and faults."""
