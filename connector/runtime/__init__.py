"""The parts that every process has: settings, connections, HTTP, limits, secrets, wake-ups, log, metrics."""
