"""The emulated odoo."""
