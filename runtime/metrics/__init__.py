"""This folder turns scores into answers and measures how good they are."""
