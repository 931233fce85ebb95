"""Measures what each part of the cell pipeline is worth when the camera changes."""
