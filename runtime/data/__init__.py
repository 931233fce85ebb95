"""Reads data sets, and finds the images that a user names."""
