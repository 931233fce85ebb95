"""Trains a run, writes its folder and measures it."""
