"""Bugs planted in the real code: with each of them some seed must fail.

Where what a bug harms comes about too seldom it names conditions under which it comes often; there the seed must pass
without the bug.
"""
