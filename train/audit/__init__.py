"""Audits data sets: contents, overlapping images and shortcuts."""
