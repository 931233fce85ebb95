"""Turns scores into labels, and measures how good the scores are."""
