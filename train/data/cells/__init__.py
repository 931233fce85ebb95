"""Cells of data sets as training examples."""
