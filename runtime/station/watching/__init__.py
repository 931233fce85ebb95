"""Watched folders: which files are finished, what they hold, and their results."""
