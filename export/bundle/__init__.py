"""This folder writes a bundle."""
