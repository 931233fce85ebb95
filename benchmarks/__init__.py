"""Measures accuracy, latency and memory of bundles, and reports them."""
