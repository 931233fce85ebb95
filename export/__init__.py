"""The export room: one file per conversion, calibration, parity; may import train and runtime."""
