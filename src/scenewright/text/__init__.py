"""Text: normalise and tokenise."""
