"""What does not run beside all other tests, by its mark: tests/support/lanes.py runs it."""

from tests.support.environment import ROOT

# Each file in here is listed below.
STACKS = ROOT / "tests" / "e2e"

_MARKED = {
    # Promises of seconds, and what counts on most of the CPU: only what gives way runs beside them.
    "alone": (
        "binance_mock/state/test_durability.py",
        "console/management/test_halt_always.py",
        "e2e/test_chaos.py",
        "e2e/test_halt.py",
        "e2e/test_many_symbols.py",
        "e2e/test_redis_refuses.py",
        "e2e/test_stuck_strategies.py",
        "streamer/test_stream_command.py",
    ),
    # Real processes that are waited for with patience. Two files at a time, the longest first.
    "stacks": (
        "e2e/test_identity.py",
        "e2e/test_worlds.py",
        "e2e/test_cycles.py",
        "hedgehog_project/launch/test_run.py",
        "e2e/test_worked_example.py",
        "e2e/test_strategies.py",
        "hedgehog_project/launch/test_run_host.py",
    ),
    # They use every core for minutes, and do not mind how long it takes.
    "computes": (
        "simulation/test_mutations.py",
        "simulation/test_simulation.py",
        "simulation/test_strategies.py",
    ),
}
MARKED = {mark: [ROOT / "tests" / path for path in paths] for mark, paths in _MARKED.items()}
