"""One diagnosis: what keeps trading from getting on, and what needs a look, of all symbols or of one.

The overview, `status`, a symbol's page and `why` show it. Each source is one function of `Facts`, which are gathered
once, in a few queries. Where Redis does not answer, what it would tell is unknown, and the rest is told all the same.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings as django_settings
from django.utils import timezone

from console import blockers, figures, limit_usage, readyz
from console.figures import SymbolLine
from console.findings import Finding, Severity, Topic, alarm, note
from hedgehog_project import health, processes, run_lock
from hedgehog_project.health import Progress
from hedgehog_project.outside import sentence
from hedgehog_project.processes import ProcessState
from hedgehog_project.venues import Venue, market_of
from hedgehog_project.venues.rate_limits import State
from trading.archive import journal, spans
from trading.core.orders import Side
from trading.exchange.client import why_wait
from trading.identity import copies, others
from trading.models import Listing, Order, Switch, Symbol, Trader
from trading.models.choices import of_running
from trading.models.orders import IN_FLIGHT
from trading.models.symbols import TradingStatus
from trading.models.traders import LIVE
from trading.reconciliation.reconcile import venues_in_use
from trading.strategies.registry import UnknownStrategy
from trading.strategies.typed import BadSettings
from trading.symbols.venue import why_not
from trading.waking.enqueue import MANY

# What it means to people when a process is down.
WITHOUT = {
    "redis": "Redis is down: no events and no tasks are delivered. Positions can still exit.",
    "mock_exchange": "The mock exchange is down: no orders are accepted or filled.",
    "streamer": "The streamer is down: no prices and no execution reports.",
    "dispatcher": "The dispatcher is down: traders receive no prices and no reports.",
    "worker": "No worker for entries is running: no trader starts or buys.",
    "worker_exits": "No worker for exits is running: no reports are processed, no orders cancelled, no leader runs.",
    "beat": "Beat is down: missing traders are not started and unconfirmed orders are not queried.",
    "standby": "The standby is down: positions cannot exit while Redis is full or down.",
}
REFUSING = "Positions can still exit, unconfirmed orders are queried and cancels continue; buys are paused."
# What a process that is down explains already.
_EXPLAINED_BY = {"leader": {"beat", "worker_exits"}, "prices": {"streamer", "mock_exchange"}}
# So long after the last task was given up the workers count as overloaded.
GIVEN_UP_S = 60.0
# So many of a kind are told one by one.
SHOWN = 5
# The leader asks about such orders after seconds; minutes mean that nobody gets an answer.
UNANSWERED = timedelta(minutes=1)
# The archive runs each night; this machine may have been off in one.
LATE_NIGHTS = timedelta(days=3)


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
    stopped: str = ""  # that nothing runs, in a sentence: then nothing else of the processes is worth telling

    @property
    def venue(self) -> Venue:
        return self.switch.at

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
    venue = switch.at
    venues = () if seen is None else venues_in_use() if symbol is None else [venue]
    found = processes.states() if states is None else states
    return Facts(
        switch=switch,
        states=found,
        seen=seen,
        rate_limits=[state for state in blockers.budgets(venues) if state.is_shared],
        lines=figures.symbol_lines(venue, symbol),
        now=timezone.now(),
        symbol=symbol,
        # On other hosts it may go on.
        stopped="" if any(state.alive for state in found if state.name in processes.HEARTBEATS) else _stopped(),
    )


def _stopped() -> str:
    return run_lock.told(django_settings.HEDGEHOG_HOME)


def diagnose(facts: Facts) -> list[Finding]:
    """What all sources find; alarms first, otherwise in the order of SOURCES. Raises DatabaseError."""
    found = [finding for source in SOURCES for finding in source(facts)]
    return sorted(found, key=lambda finding: finding.severity != Severity.ALARM)


def is_on(facts: Facts) -> Iterator[Finding]:
    """Whether anything is to be traded at all."""
    if facts.symbol is None:
        if not facts.lines and not Symbol.objects.exists():
            yield note(Topic.SYMBOL, "No symbols yet: add one under Symbols.", stops_buys=True)
        elif not facts.wanted:
            yield note(Topic.SYMBOL, "Trading is off for all symbols: turn one on under Symbols.", stops_buys=True)
        return
    settings = getattr(facts.symbol, "settings", None)
    if settings is None or settings.status == TradingStatus.OFF:
        text = f"Trading is off: turn it on, or run `manage.py trade {facts.symbol.name} on`."
        yield note(Topic.SYMBOL, text, stops_buys=True)
    elif settings.status == TradingStatus.SHUTDOWN:
        yield note(Topic.SYMBOL, "Shutting down: running cycles finish, no new ones start.", stops_buys=True)


def pauses(facts: Facts) -> Iterator[Finding]:
    """Symbols whose buys a person has paused."""
    for line in facts.wanted:
        settings = getattr(line.symbol, "settings", None)
        if settings is not None and settings.paused_by:
            text = f"{line.name}: its buys are paused by {settings.paused_by}."
            advice = f"Resume it on its page, or run `manage.py resume {line.name}`."
            yield note(Topic.SYMBOL, text, advice, stops_buys=facts.symbol is not None)


def is_switched(facts: Facts) -> Iterator[Finding]:
    """Halted, or selling only."""
    if text := facts.switch.mode_text:
        yield alarm(Topic.SWITCH, f"{text[0].upper()}{text[1:]}.", "Run `manage.py resume` to resume trading.")


def installations(facts: Facts) -> Iterator[Finding]:
    """A copy of this one buys nothing until a person has decided. A stranger's orders are left alone."""
    of = None if facts.symbol is None else facts.venue
    yield from (alarm(Topic.INSTALLATION, text) for text in copies.told(of))
    yield from (alarm(Topic.INSTALLATION, text, stops_buys=False) for text in others.told(of))


def venue(facts: Facts) -> Iterator[Finding]:
    if problem := why_not(facts.venue):
        yield note(Topic.VENUE, f"New traders cannot trade on {facts.venue}: {problem}", stops_buys=True)


def rate_limits(facts: Facts) -> Iterator[Finding]:
    """Exchanges that have told us to be silent, and limits that are used up."""
    stops = blockers.stops(facts.rate_limits)
    yield from (alarm(Topic.RATE_LIMIT, f"{stop}.") for stop in stops)
    full = None if stops or facts.seen is None or "redis" in facts.down else why_wait(facts.venue, Side.BUY)
    if full:
        text = f"Rate limit: no buy for {full[1]:.0f} s: {full[0]}."
        yield note(Topic.RATE_LIMIT, text, stops_buys=True)


def processes_down(facts: Facts) -> Iterator[Finding]:
    """What the processes that are down mean."""
    if facts.stopped:
        yield alarm(Topic.PROCESS, facts.stopped)
        return
    trouble = [f"{state.trouble}. {REFUSING}" for state in facts.states if state.trouble]
    yield from (alarm(Topic.PROCESS, text) for text in trouble)
    if "redis" in facts.down and not trouble:
        yield alarm(Topic.PROCESS, WITHOUT["redis"])  # Of the others nothing is known then.
        return
    for state in facts.states:
        is_ours = state.name != "redis" and (state.name != "mock_exchange" or facts.venue.is_mock)
        if state.name in facts.down and is_ours and state.name in WITHOUT:
            yield alarm(Topic.PROCESS, WITHOUT[state.name])


def progress(facts: Facts) -> Iterator[Finding]:
    """What does not get on although its process is up."""
    if facts.seen is None or "redis" in facts.down or facts.stopped:
        return
    found = [
        each
        for each in readyz.findings(facts.venue, facts.seen)
        # Of one symbol its own prices tell.
        if not _EXPLAINED_BY.get(each.about, set()) & facts.down and (facts.symbol is None or each.about != "prices")
    ]
    yield from (alarm(Topic.PROGRESS, each.text, stops_buys=each.about in ("leader", "queue")) for each in found)
    if all(each.about != "queue" for each in found) and any(each.length > MANY for each in facts.seen.queues):
        yield note(Topic.PROGRESS, "The workers are behind: the task queue is long.", stops_buys=True)
    late = [each for each in facts.seen.queues if each.given_up_s is not None and each.given_up_s < GIVEN_UP_S]
    for text in figures.given_up(late):
        yield note(Topic.PROGRESS, f"The workers are overloaded: {text}.", stops_buys=True)


def listings(facts: Facts) -> Iterator[Finding]:
    """What the exchange says of symbols that can't be traded there."""
    said = [line.said for line in facts.wanted if line.said]
    for text in _first(said, "The exchange reports the same for {} more symbols."):
        yield note(Topic.SYMBOL, text, stops_buys=facts.symbol is not None)


def feed(facts: Facts) -> Iterator[Finding]:
    """Symbols without prices, or with old ones."""
    if facts.stopped:
        return
    stops = facts.symbol is not None
    deaf = [line.name for line in facts.wanted if not line.is_streaming]
    if deaf:
        text = f"{_some(deaf)}: the price feed from {market_of(facts.venue)} is off."
        yield note(Topic.PRICES, text, "Turn it on.", stops_buys=stops)
    heard = [line for line in facts.wanted if (line.is_streaming or facts.symbol) and not line.said]
    mute = [line.name for line in heard if line.last_trade is None]
    if mute:
        yield note(Topic.PRICES, f"{_some(mute)}: no price yet.", stops_buys=stops)
    ages = {line.name: line.last_trade.age_s for line in heard if line.last_trade}
    old = {name: age_s for name, age_s in ages.items() if age_s > figures.OLD_S}
    if old:
        age_s = min(old.values())
        since = f"{facts.now - timedelta(seconds=age_s):%d %b %H:%M:%S} UTC"
        more = "" if len(old) == 1 else " or more"
        text = f"{_some(old)}: no trade since {since}, for {figures.age(age_s)}{more}."
        yield note(Topic.PRICES, text, stops_buys=stops)


def settings(facts: Facts) -> Iterator[Finding]:
    """Settings that can't work with the venue's filters, and filters that are not known yet."""
    stops = facts.symbol is not None
    wanted = [line for line in facts.wanted if not line.said and line.symbol is not None]
    rows = Listing.objects.filter(venue=facts.venue, symbol__in=[line.pk for line in wanted]).defer("filters")
    known = {row.symbol_id: row for row in rows}
    unknown = [line.name for line in wanted if line.pk not in known]
    if unknown:
        advice = "They are requested every few seconds while trading is on."
        text = f"{_some(unknown)}: the filters at {facts.venue} are not known yet."
        yield note(Topic.SETTINGS, text, advice, stops_buys=stops)
    problems = [problem for line in wanted if (problem := _unworkable(line, known.get(line.pk)))]
    for text in _first(problems, "The settings of {} more symbols are invalid."):
        yield note(Topic.SETTINGS, text, stops_buys=stops)


def risk_limits(facts: Facts) -> Iterator[Finding]:
    """What denies buys now, the last one first; and what of a drawdown needs a look."""
    if facts.symbol is None:
        yield from (note(Topic.RISK_LIMIT, text) for text in limit_usage.drawdown_problems(facts.venue))
    denials = [f"Buys denied by a risk limit: {each}." for each in limit_usage.together(facts.venue, facts.symbol)]
    for text in _first(denials, "{} more risk limits deny buys: see Risk limits."):
        yield note(Topic.RISK_LIMIT, text, stops_buys=facts.symbol is not None)


def traders(facts: Facts) -> Iterator[Finding]:
    """Of one symbol its slots say it."""
    if facts.symbol is not None:
        return
    failing = Trader.objects.filter(LIVE, of_running(), failures__gt=0).count()
    if failing:
        text = f"{figures.count(failing, 'trader')} with an error, retrying: see Traders, “Errors”."
        yield note(Topic.TRADER, text)


def orders(facts: Facts) -> Iterator[Finding]:
    """Of one symbol its slots say it."""
    if facts.symbol is not None:
        return
    late = Order.objects.filter(IN_FLIGHT, of_running(), submitted_at__lt=facts.now - UNANSWERED).count()
    if late:
        text = f"{figures.count(late, 'order')} unconfirmed for more than a minute."
        yield note(Topic.ORDER, text)


def missing(facts: Facts) -> Iterator[Finding]:
    """What the account lacks of what traders bought."""
    found = figures.missing(facts.venue, facts.symbol.pk if facts.symbol else None, facts.now)
    for text in _first(found, "{} more traders have a position that is missing in the account."):
        yield note(Topic.BALANCE, text)


def elsewhere(facts: Facts) -> Iterator[Finding]:
    """What goes on, or rests, at other venues than the switch's."""
    if facts.symbol is None:
        yield from (note(Topic.TRADER, text) for text in figures.elsewhere(facts.venue))


def archive(facts: Facts) -> Iterator[Finding]:
    """The nightly archive that does not get on, as with a folder that cannot be written: the database grows."""
    before = spans.before(spans.JOURNAL, facts.now - LATE_NIGHTS)
    if facts.symbol is None and not facts.stopped and before and journal.is_behind(before):
        advice = "Run `manage.py archive`: it says what is wrong."
        yield note(Topic.PROGRESS, f"Old journals have not been archived for {LATE_NIGHTS.days} days.", advice)


Source = Callable[[Facts], Iterator[Finding]]
# The graver first, among those of one severity.
SOURCES: tuple[Source, ...] = (
    *(is_switched, installations, rate_limits, processes_down, progress),
    *(is_on, pauses, venue, listings, feed, settings, traders, orders, missing, elsewhere, risk_limits, archive),
)


def _unworkable(line: SymbolLine, listing: Listing | None) -> str | None:
    own = getattr(line.symbol, "settings", None)
    if own is None:
        return None
    try:
        own.by()
    except (UnknownStrategy, BadSettings) as error:
        return sentence(f"{line.name}: the strategy cannot decide: {error}")
    return own.why_not(listing) if listing else None


def _first(sentences: Sequence[str], more: str) -> list[str]:
    rest = len(sentences) - SHOWN
    return [*sentences[:SHOWN], *([more.format(rest)] if rest > 0 else [])]


def _some(names: Iterable[str]) -> str:
    known = list(names)
    rest = len(known) - SHOWN
    return ", ".join(known[:SHOWN]) + (f" and {rest} more" if rest > 0 else "")
