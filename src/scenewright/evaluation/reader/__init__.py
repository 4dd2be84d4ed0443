"""The reader: a small network that sees what is in a clip of the world."""
