"""How often each rule acted in a world, as its rows tell: a rule that never acts proves nothing."""

from collections import Counter

from tests.simulation.checks.rows import read

_QUERIES = {
    "rebuys": "SELECT count(*) FROM trading_trader WHERE rebuy_told_at IS NOT NULL",
    "rebuys heard": "SELECT count(*) FROM trading_journalentry WHERE decision = 'is heard'",
    "retargets": "SELECT count(*) FROM trading_order WHERE side = 'BUY' AND cancel_reason LIKE '% has left it %'",
    "retargets of a part": (
        "SELECT count(*) FROM trading_order WHERE side = 'BUY' AND executed > 0"
        " AND cancel_reason LIKE '% has left it %'"
    ),
    "stop-losses": "SELECT count(*) FROM trading_order WHERE cancel_reason LIKE 'stop-loss:%'",
    "trailing stops": "SELECT count(*) FROM trading_order WHERE cancel_reason LIKE 'trailing stop:%'",
    "exits at the market": "SELECT count(*) FROM trading_order WHERE type = 'MARKET'",
    "exits by a limit": "SELECT count(*) FROM trading_journalentry WHERE reason LIKE 'gets out at % or more%'",
    "cycles by trailing": (
        "SELECT count(*) FROM trading_trader WHERE strategy = 'trailing' AND state = 'FINISHED' AND profit > 0"
    ),
    "held from own orders": (
        "SELECT count(*) FROM trading_journalentry WHERE decision = 'is held back' AND reason LIKE 'it would meet%'"
    ),
    "of compounded profits": (
        "SELECT count(*) FROM trading_journalentry WHERE decision = 'begins' AND reason LIKE '% so far, in %'"
    ),
    "a sale in the place of another": "SELECT count(*) FROM trading_order WHERE replaces_id IS NOT NULL",
    "left-overs taken along": "SELECT count(*) FROM trading_trader WHERE carried > 0",
    "a part missing": "SELECT count(*) FROM trading_trader WHERE missing > 0",
    "all of it missing": "SELECT count(*) FROM trading_trader WHERE state = 'MISSING'",
    "made more": "SELECT count(*) FROM trading_journalentry WHERE reason LIKE '% too little to be sold alone'",
    "orders that showed late": "SELECT count(*) FROM trading_order WHERE is_late",
    "of a share": (
        "SELECT count(*) FROM trading_journalentry WHERE decision = 'begins' AND reason LIKE '% are bound, in %'"
    ),
}


def acted() -> Counter[str]:
    """By rule; "held back: ..." by each protection."""
    found = Counter({name: read(query)[0][0] for name, query in _QUERIES.items()})
    found.update(
        {f"held back: {rule}": n for rule, n in read("SELECT rule, sum(count) FROM trading_heldback GROUP BY rule")}
    )
    return found
