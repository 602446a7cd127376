"""Tests of what people do with the connector, where it needs no database."""
