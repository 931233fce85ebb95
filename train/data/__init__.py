"""This folder reads data sets for training and splits them."""
