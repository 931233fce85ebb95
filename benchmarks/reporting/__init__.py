"""Turns results into pages, tables and recommendations."""
