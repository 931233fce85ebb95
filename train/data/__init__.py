"""Reads data sets for training and splits them."""
