"""Generation: samplers, guidance, pipelines."""
