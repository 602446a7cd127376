"""What people do with the connector: the same functions behind the command line, the console and the JSON API."""
