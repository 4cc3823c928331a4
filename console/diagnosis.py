"""One diagnosis: what keeps trading from getting on, and what needs a look, of all symbols or of one.

The overview, `status`, a symbol's page and `why` show it. Each source is one function of `Facts`, which are gathered
once, in a few queries. Where Redis does not answer, what it would tell is unknown, and the rest is told all the same.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils import timezone

from console import blockers, figures, limit_usage, readyz
from console.figures import SymbolLine
from console.findings import Finding, Severity, Topic, alarm, note
from hedgehog_project import health, processes
from hedgehog_project.health import Progress
from hedgehog_project.processes import ProcessState
from hedgehog_project.venues import Venue, market_of
from hedgehog_project.venues.rate_limits import State
from trading.core.orders import OrderStatus, Side
from trading.exchange.client import why_wait
from trading.identity import copies, others
from trading.models import Listing, Order, Switch, Symbol, Trader
from trading.models.symbols import TradingStatus
from trading.models.traders import LIVE
from trading.reconciliation.reconcile import venues_in_use
from trading.strategies.registry import UnknownStrategy
from trading.strategies.typed import BadSettings
from trading.symbols.venue import why_not
from trading.waking.enqueue import MANY

# What it means to people when a process is down.
WITHOUT = {
    "redis": "Redis does not answer: no event and no task reaches anybody. What is held still gets out.",
    "mock_exchange": "The mock exchange is down: it takes no orders and fills none.",
    "streamer": "The streamer is down: no prices and no execution reports come.",
    "dispatcher": "The dispatcher is down: no trader hears of trades and reports.",
    "worker": "No worker for entries is up: no trader begins or buys.",
    "worker_exits": "No worker for exits is up: no report is booked, nothing is cancelled, and nobody leads.",
    "beat": "Beat is down: nobody looks for missing traders and unclear orders.",
    "standby": "The standby is down: nobody gets out while Redis is full or away.",
}
REFUSING = "What is held still gets out, unclear orders are asked about, and cancels go on; nothing new is bought."
# What a process that is down explains already.
_EXPLAINED_BY = {"leader": {"beat", "worker_exits"}, "prices": {"streamer", "mock_exchange"}}
# So many of a kind are told one by one.
SHOWN = 5
# The leader asks about such orders after seconds; minutes mean that nobody gets an answer.
UNANSWERED = timedelta(minutes=1)


@dataclass(frozen=True)
class Facts:
    """What the sources go by. `symbol`: the one that is asked about; then `lines` has that one alone."""

    switch: Switch
    states: Sequence[ProcessState]
    seen: Progress | None  # None: Redis does not answer
    # Of the venues in use, or of the switch's where it is about one symbol; none where Redis does not answer.
    rate_limits: Sequence[State]
    lines: Sequence[SymbolLine]
    now: datetime
    symbol: Symbol | None = None

    @property
    def venue(self) -> Venue:
        return Venue(self.switch.venue)

    @property
    def down(self) -> set[str]:
        return {state.name for state in self.states if state.alive is False}

    @property
    def wanted(self) -> list[SymbolLine]:
        """The symbols that are on, or the one that is asked about, whether it is on or not."""
        return [line for line in self.lines if line.is_trading or self.symbol is not None]


def gather(symbol: Symbol | None = None, states: Sequence[ProcessState] | None = None) -> Facts:
    """As things stand now. `states`: the processes', where the caller knows them. Raises DatabaseError."""
    switch, seen = Switch.row(), health.look()
    venue = Venue(switch.venue)
    venues = () if seen is None else venues_in_use() if symbol is None else [venue]
    return Facts(
        switch=switch,
        states=processes.states() if states is None else states,
        seen=seen,
        rate_limits=[state for state in blockers.budgets(venues) if state.is_shared],
        lines=figures.symbol_lines(venue, symbol),
        now=timezone.now(),
        symbol=symbol,
    )


def diagnose(facts: Facts) -> list[Finding]:
    """What all sources find; alarms first, otherwise in the order of SOURCES. Raises DatabaseError."""
    found = [finding for source in SOURCES for finding in source(facts)]
    return sorted(found, key=lambda finding: finding.severity != Severity.ALARM)


def is_on(facts: Facts) -> Iterator[Finding]:
    """Whether anything is to be traded at all."""
    if facts.symbol is None:
        if not facts.lines and not Symbol.objects.exists():
            yield note(Topic.SYMBOL, "There is no symbol yet: add one under Symbols.", stops_buys=True)
        elif not facts.wanted:
            yield note(Topic.SYMBOL, "No symbol is trading: turn one on under Symbols.", stops_buys=True)
        return
    settings = getattr(facts.symbol, "settings", None)
    if settings is None or settings.status == TradingStatus.OFF:
        text = f"Trading is off: turn it on, or run `manage.py trade {facts.symbol.name} on`."
        yield note(Topic.SYMBOL, text, stops_buys=True)
    elif settings.status == TradingStatus.SHUTDOWN:
        yield note(Topic.SYMBOL, "A shutdown is under way: cycles end, and none begins.", stops_buys=True)


def is_switched(facts: Facts) -> Iterator[Finding]:
    """Halted, or selling only."""
    if text := facts.switch.mode_text:
        yield alarm(Topic.SWITCH, f"{text[0].upper()}{text[1:]}.", "`manage.py resume` lets trading go on.")


def installations(facts: Facts) -> Iterator[Finding]:
    """A copy of this one buys nothing until a person has decided. A stranger's orders are left alone."""
    of = None if facts.symbol is None else facts.venue
    yield from (alarm(Topic.INSTALLATION, text) for text in copies.told(of))
    yield from (alarm(Topic.INSTALLATION, text, stops_buys=False) for text in others.told(of))


def venue(facts: Facts) -> Iterator[Finding]:
    if problem := why_not(facts.venue):
        yield note(Topic.VENUE, f"New traders can't trade on {facts.venue}: {problem}", stops_buys=True)


def rate_limits(facts: Facts) -> Iterator[Finding]:
    """Exchanges that have told us to be silent, and limits that are used up."""
    stops = blockers.stops(facts.rate_limits)
    yield from (alarm(Topic.RATE_LIMIT, f"{stop}.") for stop in stops)
    full = None if stops or facts.seen is None or "redis" in facts.down else why_wait(facts.venue, Side.BUY)
    if full:
        text = f"The exchange's limits leave no room for a buy for {full[1]:.0f} s: {full[0]}."
        yield note(Topic.RATE_LIMIT, text, stops_buys=True)


def processes_down(facts: Facts) -> Iterator[Finding]:
    """What the processes that are down mean."""
    trouble = [f"{state.trouble}. {REFUSING}" for state in facts.states if state.trouble]
    yield from (alarm(Topic.PROCESS, text) for text in trouble)
    if "redis" in facts.down and not trouble:
        yield alarm(Topic.PROCESS, WITHOUT["redis"])  # Of the others nothing is known then.
        return
    for state in facts.states:
        is_ours = state.name != "redis" and (state.name != "mock_exchange" or facts.venue == Venue.MOCK)
        if state.name in facts.down and is_ours and state.name in WITHOUT:
            yield alarm(Topic.PROCESS, WITHOUT[state.name])


def progress(facts: Facts) -> Iterator[Finding]:
    """What does not get on although its process is up."""
    if facts.seen is None or "redis" in facts.down:
        return
    found = [
        each
        for each in readyz.findings(facts.venue, facts.seen)
        # Of one symbol its own prices tell.
        if not _EXPLAINED_BY.get(each.about, set()) & facts.down and (facts.symbol is None or each.about != "prices")
    ]
    yield from (alarm(Topic.PROGRESS, each.text, stops_buys=each.about in ("leader", "queue")) for each in found)
    if all(each.about != "queue" for each in found) and any(each.length > MANY for each in facts.seen.queues):
        yield note(Topic.PROGRESS, "The workers are behind: many tasks wait for them.", stops_buys=True)


def listings(facts: Facts) -> Iterator[Finding]:
    """What the exchange says of symbols that can't be traded there."""
    said = [line.said for line in facts.wanted if line.said]
    for text in _first(said, "Of {} more symbols the exchange says the like."):
        yield note(Topic.SYMBOL, text, stops_buys=facts.symbol is not None)


def feed(facts: Facts) -> Iterator[Finding]:
    """Symbols without prices, or with old ones."""
    stops = facts.symbol is not None
    deaf = [line.name for line in facts.wanted if not line.is_streaming]
    if deaf:
        text = f"{_some(deaf)}: prices do not stream from {market_of(facts.venue)}."
        yield note(Topic.PRICES, text, "Turn streaming on.", stops_buys=stops)
    heard = [line for line in facts.wanted if (line.is_streaming or facts.symbol) and not line.said]
    mute = [line.name for line in heard if line.last_trade is None]
    if mute:
        yield note(Topic.PRICES, f"{_some(mute)}: no price is known yet.", stops_buys=stops)
    ages = {line.name: line.last_trade.age_s for line in heard if line.last_trade}
    old = {name: age_s for name, age_s in ages.items() if age_s > figures.OLD_S}
    if old:
        age_s = min(old.values())
        since = f"{facts.now - timedelta(seconds=age_s):%d %b %H:%M:%S} UTC"
        more = "" if len(old) == 1 else " or more"
        text = f"{_some(old)}: no trade since {since}, for {figures.age(age_s)}{more}."
        yield note(Topic.PRICES, text, stops_buys=stops)


def settings(facts: Facts) -> Iterator[Finding]:
    """Settings that can't work with the venue's rules, and rules that nobody has told yet."""
    stops = facts.symbol is not None
    wanted = [line for line in facts.wanted if not line.said and line.symbol is not None]
    rows = Listing.objects.filter(venue=facts.venue, symbol__in=[line.pk for line in wanted]).defer("filters")
    known = {row.symbol_id: row for row in rows}
    unknown = [line.name for line in wanted if line.pk not in known]
    if unknown:
        advice = "The exchange is asked every few seconds while they are on."
        text = f"{_some(unknown)}: the filters at {facts.venue} are not known yet."
        yield note(Topic.SETTINGS, text, advice, stops_buys=stops)
    problems = [problem for line in wanted if (problem := _unworkable(line, known.get(line.pk)))]
    for text in _first(problems, "The settings of {} more symbols can't work."):
        yield note(Topic.SETTINGS, text, stops_buys=stops)


def risk_limits(facts: Facts) -> Iterator[Finding]:
    """What holds buys back just now, the last one first; and what of a drawdown needs a look."""
    if facts.symbol is None:
        yield from (note(Topic.RISK_LIMIT, text) for text in limit_usage.drawdown_problems(facts.venue))
    held = [f"Held back by a protection: {each}." for each in limit_usage.together(facts.venue, facts.symbol)]
    for text in _first(held, "{} more protections hold buys back: see Protections."):
        yield note(Topic.RISK_LIMIT, text, stops_buys=facts.symbol is not None)


def traders(facts: Facts) -> Iterator[Finding]:
    """Of one symbol its slots say it."""
    if facts.symbol is not None:
        return
    failing = Trader.objects.filter(LIVE, failures__gt=0).count()
    if failing:
        text = f"{figures.count(failing, 'trader')} met an error and will try again: see Traders, “With an error”."
        yield note(Topic.TRADER, text)


def orders(facts: Facts) -> Iterator[Finding]:
    """Of one symbol its slots say it."""
    if facts.symbol is not None:
        return
    late = Order.objects.filter(status=OrderStatus.SUBMITTING, submitted_at__lt=facts.now - UNANSWERED).count()
    if late:
        text = f"{figures.count(late, 'order')} had no answer of the exchange for over a minute."
        yield note(Topic.ORDER, text)


def missing(facts: Facts) -> Iterator[Finding]:
    """What the account lacks of what traders bought."""
    found = figures.missing(facts.venue, facts.symbol.pk if facts.symbol else None, facts.now)
    for text in _first(found, "Of {} more traders the account lacks something."):
        yield note(Topic.BALANCE, text)


def elsewhere(facts: Facts) -> Iterator[Finding]:
    """What still goes on at other venues than the switch's."""
    if facts.symbol is None:
        yield from (note(Topic.TRADER, text) for text in figures.elsewhere(facts.venue))


Source = Callable[[Facts], Iterator[Finding]]
# The graver first, among those of one severity.
SOURCES: tuple[Source, ...] = (
    *(is_switched, installations, rate_limits, processes_down, progress),
    *(is_on, venue, listings, feed, settings, traders, orders, missing, elsewhere, risk_limits),
)


def _unworkable(line: SymbolLine, listing: Listing | None) -> str | None:
    own = getattr(line.symbol, "settings", None)
    if own is None:
        return None
    try:
        own.by()
    except (UnknownStrategy, BadSettings) as error:
        return f"{line.name}: its strategy can't decide: {error}."
    return own.why_not(listing) if listing else None


def _first(sentences: Sequence[str], more: str) -> list[str]:
    rest = len(sentences) - SHOWN
    return [*sentences[:SHOWN], *([more.format(rest)] if rest > 0 else [])]


def _some(names: Iterable[str]) -> str:
    known = list(names)
    rest = len(known) - SHOWN
    return ", ".join(known[:SHOWN]) + (f" and {rest} more" if rest > 0 else "")
