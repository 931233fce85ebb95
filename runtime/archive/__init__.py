"""Classifies whole archives of fields into Parquet; needs the extra ``archive``."""
