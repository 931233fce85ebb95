"""This folder estimates how fast a model runs on a board."""
