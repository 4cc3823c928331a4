"""Exchanges for tests: scripted ones, the real mock, and what stands between it and us."""
