"""The WSGI entry: `wsgi:app` for any WSGI server."""

from connector.app import from_environment

app = from_environment()
