"""This folder opens a bundle, checks who signed it and replays its references."""
