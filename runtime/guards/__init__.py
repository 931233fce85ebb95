"""Decides whether a model may judge an image."""
