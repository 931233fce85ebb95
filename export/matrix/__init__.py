"""Converts every model in every precision and format, for one table of results."""
