"""Compares guards of cells in feature space with those of image statistics."""
