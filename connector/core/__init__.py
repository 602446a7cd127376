"""The pure core: statuses, rules, the fold and the mapping; standard library only, no clock, no network, no file."""
