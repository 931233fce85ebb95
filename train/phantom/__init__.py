"""This folder generates artificial blood smears."""
