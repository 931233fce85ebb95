"""Draws the regions of an image that carried the decision."""
