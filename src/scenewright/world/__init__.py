"""Procedural scenes with exact ground truth: language, physics, renderer, sound."""
