"""How often each rule acted in a world, as its rows tell: a rule that never acts proves nothing."""

from collections import Counter

from tests.simulation.checks.rows import read

_CANCELLED = "FROM trading_journalentry j JOIN trading_order o ON o.id = j.order_id WHERE j.kind = 'CANCELLED'"
_SIZED = "FROM trading_trader t JOIN trading_tradingsettings s ON s.symbol_id = t.symbol_id"
_QUERIES = {
    "slot requests": "SELECT count(*) FROM trading_trader WHERE slot_requested_at IS NOT NULL",
    "rebuys heard": "SELECT count(*) FROM trading_journalentry WHERE kind = 'SLOT_OPENED'",
    "retargets": f"SELECT count(*) {_CANCELLED} AND o.side = 'BUY'",
    "retargets of a part": f"SELECT count(*) {_CANCELLED} AND o.side = 'BUY' AND o.executed > 0",
    "resting on the ladder": "SELECT count(*) FROM trading_trader WHERE waits_for LIKE 'ladder step%'",
    "buys withdrawn by the ladder": "SELECT count(*) FROM trading_order WHERE cancel_reason LIKE 'ladder step%'",
    "stop-losses": "SELECT count(*) FROM trading_order WHERE cancel_reason LIKE 'stop loss:%'",
    "trailing stops": "SELECT count(*) FROM trading_order WHERE cancel_reason LIKE 'trailing stop:%'",
    "exits at the market": "SELECT count(*) FROM trading_order WHERE type = 'MARKET'",
    "exits by a limit": (
        "SELECT count(*) FROM trading_order o WHERE o.side = 'SELL' AND o.type = 'LIMIT' AND o.price < ("
        " SELECT max(b.price) FROM trading_order b"
        " WHERE b.trader_id = o.trader_id AND b.side = 'BUY' AND b.executed > 0)"
    ),
    "cycles by trailing": (
        "SELECT count(*) FROM trading_trader WHERE strategy = 'trailing' AND state = 'FINISHED' AND profit > 0"
    ),
    "held from own orders": "SELECT count(*) FROM trading_journalentry WHERE denied_by = 'self-trade'",
    "of compounded profits": (
        f"SELECT count(*) {_SIZED} WHERE s.sizing = 'fixed' AND s.compounds AND t.budget * s.max_slots > s.budget"
    ),
    "a sale in the place of another": "SELECT count(*) FROM trading_order WHERE replaces_id IS NOT NULL",
    "left-overs taken along": "SELECT count(*) FROM trading_trader WHERE carried > 0",
    "a part missing": "SELECT count(*) FROM trading_trader WHERE missing > 0",
    "all of it missing": "SELECT count(*) FROM trading_trader WHERE state = 'MISSING'",
    "made more": (
        "SELECT count(*) FROM (SELECT trader_id FROM trading_order WHERE side = 'BUY' AND executed > 0"
        " GROUP BY trader_id HAVING count(*) > 1) more"
    ),
    "orders that showed late": "SELECT count(*) FROM trading_order WHERE is_late",
    "of a share": f"SELECT count(*) {_SIZED} WHERE s.sizing = 'share' AND t.budget * s.max_slots <> s.budget",
}


def acted() -> Counter[str]:
    """By rule; "denied: ..." by each risk limit."""
    found = Counter({name: read(query)[0][0] for name, query in _QUERIES.items()})
    found.update(
        {f"denied: {rule}": n for rule, n in read("SELECT rule, sum(count) FROM trading_deniedorder GROUP BY rule")}
    )
    return found
