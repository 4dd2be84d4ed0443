"""Evaluation: readings of clips, exact scores against prompts, and their intervals."""
