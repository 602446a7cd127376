"""From a webhook request to a stored delivery: verify, mask, commit in groups, quarantine."""
