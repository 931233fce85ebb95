"""The history: every result of this workstation, in one SQLite file that shows later edits."""
