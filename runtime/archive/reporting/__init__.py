"""What people read about results: the report and the comparison of two bundles."""
