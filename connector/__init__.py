"""The connector: webhooks of CRMs and trackers in, one ABM status per subject, status and owner back."""

__version__ = "0.1.0"
