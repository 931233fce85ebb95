"""Tunes and compares several models on one data set."""
