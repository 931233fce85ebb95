"""Generates artificial blood smears."""
