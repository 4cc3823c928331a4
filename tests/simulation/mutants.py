"""Bugs planted in the real code: with each of them, some seed must fail."""
MUTANTS: dict = {}
def hunt(job):
    return job[0], None, ""
