"""The WSGI entry: `wsgi:app` for any WSGI server."""

from connector.web.app import from_environment

app = from_environment()
