"""Data: clips and captions as training sees them."""
