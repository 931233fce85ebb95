"""Estimates of how fast a model runs on a board, and recommendations."""
