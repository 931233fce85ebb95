"""Faults and load of the workstation, on real processes; each command takes a bundle."""
