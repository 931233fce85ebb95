"""Data sets, networks, training runs and studies; may import runtime."""
