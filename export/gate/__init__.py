"""This folder measures what a conversion costs and refuses what costs too much."""
