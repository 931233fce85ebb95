"""This folder draws artificial blood smears."""
