"""Runs all commands on generated smears."""
