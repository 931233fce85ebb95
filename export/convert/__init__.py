"""Converts a trained network into each format."""
