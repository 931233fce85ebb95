"""Measures ``alledge archive``: its rate, Ray, what ends in the middle, and reports."""
