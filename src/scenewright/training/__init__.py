"""Training: objectives, data streams and the loop."""
