"""This folder tells what a data set would let a model cheat with."""
