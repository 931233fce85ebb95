"""This folder tunes and compares the models."""
