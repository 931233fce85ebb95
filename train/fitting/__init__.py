"""This folder fits the networks of a run."""
