"""The measuring room: accuracy against latency and memory; may import runtime and devices."""
