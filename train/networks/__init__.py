"""This folder describes the networks and builds them with Keras."""
