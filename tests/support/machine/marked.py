"""Which files do not run beside all other tests, by their mark; and which are begun first.

What has a mark is run by tests/support/machine/lanes.py.
"""

from tests.support.environment import ROOT

# Each file in here is listed below.
STACKS = ROOT / "tests" / "e2e"

_MARKED = {
    # Real processes, whose promises and markets go by the clock: only what gives way runs beside them.
    "alone": (
        "binance_mock/state/test_durability.py",
        "console/management/test_halt_always.py",
        "e2e/test_chaos.py",
        "e2e/test_cycles.py",
        "e2e/test_halt.py",
        "e2e/test_identity.py",
        "e2e/test_many_symbols.py",
        "e2e/test_redis_refuses.py",
        "e2e/test_strategies.py",
        "e2e/test_stuck_strategies.py",
        "e2e/test_worked_example.py",
        "e2e/test_worlds.py",
        "hedgehog_project/launch/test_run.py",
        "hedgehog_project/launch/test_run_host.py",
        "history/test_killed.py",
        "streamer/test_stream_command.py",
    ),
    # They use every core for minutes, and do not mind how long it takes.
    "computes": (
        "simulation/test_mutations.py",
        "simulation/test_simulation.py",
        "simulation/test_strategies.py",
    ),
}
MARKED = {mark: [ROOT / "tests" / path for path in paths] for mark, paths in _MARKED.items()}
# The longest of those that run beside all others: begun last, one of them would have the machine to itself.
_LONG = (
    "console/pages/every_page/test_axe_on_a_desk.py",
    "console/pages/every_page/test_axe_on_a_phone.py",
    "console/pages/every_page/test_widths.py",
    "hedgehog_project/test_planted_secrets.py",
    "console/management/test_commands.py",
    "console/admin/test_symbols.py",
    "hedgehog_project/venues/test_keys.py",
    "hedgehog_project/venues/test_proxies.py",
    "hedgehog_project/test_checks.py",
    "console/management/test_move_database.py",
    "console/pages/test_long_lists.py",
    "console/pages/test_search.py",
    "trading/reconciliation/test_reconcile.py",
)
FIRST = [ROOT / "tests" / path for path in _LONG]
