"""The networks: single-device code only, one family a module."""
