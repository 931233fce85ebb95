"""This folder tells whether a model may judge an image."""
