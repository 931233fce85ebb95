"""Cells: finds the leucocytes of a field, cuts them out and counts the blasts."""
