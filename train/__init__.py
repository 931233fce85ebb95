"""The training room: data sets, the six models as rows, fitting; may import runtime."""
