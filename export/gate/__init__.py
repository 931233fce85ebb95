"""Measures what a conversion costs, and refuses an artifact that costs too much."""
