"""Measurements for the maintainers. The wheel does not contain them."""
