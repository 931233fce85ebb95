"""Other programs that find leucocytes; each script runs in a virtual environment of its own."""
