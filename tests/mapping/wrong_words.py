"""The lists of allowed words that messages on wrong mappings end in."""

from __future__ import annotations

STATUS_CODES = (
    "not_set, latent, quasi_explicit, explicit, appointment_prospect, appointment_acquisition, visited, project, "
    "order, lost_order, not_targeted, pending"
)
FUNCTIONS = (
    "abs, avg, ceil, contains, ends_with, floor, join, keys, length, map, max, max_by, merge, min, min_by, not_null, "
    "reverse, sort, sort_by, starts_with, sum, to_array, to_number, to_string, type, values"
)
KEYS = "adapter, region, identify_by, backward, unmapped, stages, triggers, actions, fields, owner, push, columns"
TYPES = "string, email, phone, integer, decimal, boolean, date, datetime, list"
ACTIONS = (
    "site_access, form_submission, membership_registration, login, file_download, email_inflow, email_form_submission, "
    "email_membership_registration, cocoar_inflow, mail_open, ignore"
)
BRACES = "`key: value` (a text with braces must be in quotes)"
VIEWS = "{status.code}, {status.label}, {since.date}, {since.iso}, {owner}, {email}, {phone}, {profile.…}"
