"""Measures adoption on cameras that the networks of a run have not seen."""
