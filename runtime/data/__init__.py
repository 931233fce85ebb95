"""This folder finds the images of data sets and of what a user names."""
