"""The traders against the mock's engine in one process, on a virtual clock, with misfortunes that follow from a seed.

    make simulate SEEDS=10000          many seeds, on all cores
    make simulate SEED=1234            the one that failed
    make simulate MUTANTS=1            planted bugs: some seed must fail with each

`world` passes the time, `line` is the exchange behind a bad line, `bells` stand in for Redis and Celery, `watch`
checks the invariants after every step, `run` runs one seed, `__main__` many.
"""
