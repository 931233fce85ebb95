"""Measures a learned detection of leucocytes beside the classical one."""
