"""This folder finds images that show the same content."""
