"""The traders against the mock's engine in one process, on a virtual clock, with misfortunes that follow from a seed.

    make simulate SEEDS=10000          many seeds, on all cores
    make simulate SEED=1234            the one that failed
    make simulate MUTANTS=1            planted bugs: some seed must fail with each
    make simulate CONDITIONS=NAME      worlds like those in which that planted bug is hunted, without the bug

`surroundings` are what the traders live in: `world` passes the time, `line` is the exchange behind a bad line,
`wake_ups` stand in for Redis and Celery. `checks` are made after every step, `mutants` are bugs to be caught. `run`
runs one seed, `__main__` many.
"""
