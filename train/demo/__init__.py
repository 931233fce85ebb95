"""Runs all steps on generated smears, in a quick and in a full way."""
