"""This folder holds the maintainers' own measurements; no wheel contains it."""
