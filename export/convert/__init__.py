"""This folder converts a trained network into each format."""
