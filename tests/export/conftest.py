"""Fixtures of the export tests."""
