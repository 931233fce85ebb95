"""This folder describes the networks and builds them in Keras."""
