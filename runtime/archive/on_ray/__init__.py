"""Classifies an archive on a Ray cluster."""
