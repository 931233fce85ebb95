"""This folder turns results into pages, tables and recommendations."""
