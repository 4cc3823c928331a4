"""Bugs planted in the real code: with each of them some seed must fail."""
