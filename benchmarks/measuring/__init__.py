"""This folder measures bundles on this machine."""
