"""Describes the networks and builds them with Keras."""
