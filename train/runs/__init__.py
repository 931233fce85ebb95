"""This folder trains a run, writes its folder and measures it."""
