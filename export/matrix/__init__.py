"""This folder converts every model in every precision and format."""
