"""Fits the networks of a run."""
