"""The results of an archive: a partitioned Parquet data set."""
