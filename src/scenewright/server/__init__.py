"""Videos as jobs: a queue that survives anything, workers, the HTTP API."""
