"""This folder runs every step once on artificial smears."""
