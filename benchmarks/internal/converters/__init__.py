"""Compares ways to convert a network."""
