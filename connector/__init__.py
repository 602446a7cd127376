"""The connector: webhooks of CRMs and trackers in, one ABM status per subject, status and owner back."""
