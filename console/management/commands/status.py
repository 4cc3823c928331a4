"""`manage.py status`: symbols, orders and processes, for people or as JSON."""

import json
from argparse import ArgumentParser
from collections.abc import Collection
from decimal import Decimal
from typing import Any

from django.core.management.base import BaseCommand
from django.db import close_old_connections

from console import blockers, diagnosis, figures, money, numbers, readyz
from console.findings import Severity, Topic
from hedgehog_project.heartbeats import dismiss
from hedgehog_project.redis import connect
from hedgehog_project.tables import table
from hedgehog_project.venues import why_it_rests
from hedgehog_project.version import VERSION
from trading.books import account as books
from trading.books import equity, profit
from trading.books.left_over import by_quote_asset, left_over
from trading.core.money import plain, rounded
from trading.models import AccountValue, Installation, OtherInstallation, Trader
from trading.risk import protections

WATCH_S = 2.0
STATES = {True: "up", False: "DOWN", None: "unknown"}
FIRST = (Topic.SWITCH, Topic.INSTALLATION, Topic.RATE_LIMIT)
# Keys of the JSON by their old names, for one release.
OLD_NAMES = {
    "held_back": "denied",
    "mode_why": "mode_reason",
    "stopped_until": "rate_limited_until",
    "stopped_why": "rate_limited_reason",
    "orders_submitting": "orders_in_flight",
    "orders_unclear": "orders_unconfirmed",
    "waiting": "blocked",
}


class Command(BaseCommand):
    help = "Shows symbols, orders and processes. Exit code 1 if a process is down or something is stuck."
    requires_system_checks = ["redis"]

    def add_arguments(self, parser: ArgumentParser) -> None:
        how = parser.add_mutually_exclusive_group()
        how.add_argument("--json", action="store_true", help="print JSON")
        how.add_argument("--watch", action="store_true", help="refresh every 2 s until Ctrl-C")
        how.add_argument(
            "--dismiss", action="store_true", help="stop showing hosts and processes that are silent now"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["watch"]:
            self._watch()
            return
        if options["dismiss"]:
            gone = dismiss(connect())
            for beat in gone:
                self.stdout.write(f"{beat.name} on {beat.host} (process {beat.pid}) dismissed.")
            if not gone:
                self.stdout.write("No silent host or process.")
            return
        facts = gather()
        self.stdout.write(json.dumps(as_json(facts), indent=2) if options["json"] else as_text(facts))
        if facts["findings"] or not all(state.alive for state in facts["processes"]):
            # The text has said which; there is nothing to add on stderr.
            raise SystemExit(1)

    def _watch(self) -> None:
        # Its library is for those alone that watch.
        from console.management.watching import watch

        def told() -> str:
            close_old_connections()
            return as_text(gather())

        watch(told, WATCH_S, self.stdout)


def gather() -> dict[str, Any]:
    """The facts that both forms show. Raises DatabaseError."""
    seen_now = diagnosis.gather()
    venue, lines, states, seen = seen_now.venue, seen_now.lines, seen_now.states, seen_now.seen
    orders, in_flight = figures.order_counts(venue)
    return {
        "venue": venue,
        "switch": seen_now.switch,
        "resting": Trader.resting(),
        "identity": Installation.identity_if_any(),
        "other_installations": list(OtherInstallation.objects.all()),
        # Without Redis nobody knows what the processes together have used.
        "budget": blockers.budgets([venue])[0] if seen_now.rate_limits else None,
        "unconfirmed": blockers.unclear_orders().count(),
        "blocked": blockers.waiting(venue),
        "denied_orders": list(protections.active_denials(venue)),
        "left_over": left_over(venue, {line.name: line.last_trade for line in lines if line.last_trade}),
        "lines": lines,
        "orders_open": orders,
        "orders_in_flight": in_flight,
        "processes": states,
        "stopped": seen_now.stopped,
        "seen": seen,
        "findings": readyz.findings(venue, seen),
        "last_fill": readyz.last_fill(),
        "profits": profit.profits(venue),
        "standing": equity.standing(venue),
        "account": money.account(venue),
        "diagnosis": diagnosis.diagnose(seen_now),
    }


def as_json(facts: dict[str, Any]) -> dict[str, Any]:
    """For programs. Decimals are strings; what is not known is null."""
    switch, budget, seen = facts["switch"], facts["budget"], facts["seen"]
    account = facts["account"]
    told = {
        "version": VERSION,
        "venue": str(facts["venue"]),
        "resting": {
            str(venue): {"traders": count, "reason": why_it_rests(venue)} for venue, count in facts["resting"].items()
        },
        "mode": str(switch.mode),
        "mode_reason": switch.mode_why,
        "mode_by": switch.mode_by,
        "mode_since": None if switch.is_active else switch.mode_at.isoformat(),
        "identity": facts["identity"],
        "other_installations": [
            {
                "venue": row.venue,
                "identity": row.identity,
                "is_copy": row.identity == facts["identity"],
                "first_seen": row.first_seen.isoformat(),
                "last_seen": row.last_seen.isoformat(),
                "open_orders": row.open_orders,
            }
            for row in facts["other_installations"]
        ],
        "rate_limited_until": budget.stopped_until.isoformat() if budget and budget.stopped_until else None,
        "rate_limited_reason": budget.why if budget else "",
        "weight_used": budget.weight.used if budget else None,
        "orders_used_10s": budget.orders_10s.used if budget else None,
        "symbols": [
            {
                "symbol": line.name,
                "streaming": line.is_streaming,
                "trading": line.is_trading,
                "last_price": plain(line.last_trade.price) if line.last_trade else None,
                "last_trade_age_s": round(line.last_trade.age_s, 3) if line.last_trade else None,
                "traders": line.traders,
                "cycles_finished": line.cycles_finished,
                "profit": plain(line.profit),
                "cycles_with_unvalued_commissions": line.unvalued,
                "left_over": facts["left_over"][line.pk].as_json if line.pk in facts["left_over"] else None,
                "exchange_says": line.said or None,
            }
            for line in facts["lines"]
        ],
        "denied": [
            {"symbol": row.symbol.name, "rule": row.rule, "reason": row.reason, "orders_today": row.count}
            for row in facts["denied_orders"]
        ],
        "orders_open": facts["orders_open"],
        "orders_in_flight": facts["orders_in_flight"],
        "orders_unconfirmed": facts["unconfirmed"],
        "blocked": [
            {"reason": row.reason, "traders": row.traders, "is_error": row.is_error} for row in facts["blocked"]
        ],
        "processes": [
            {
                "name": state.name,
                "alive": state.alive,
                "age_s": None if state.age_s is None else round(state.age_s, 3),
            }
            for state in facts["processes"]
        ],
        "findings": [{"about": each.about, "text": each.text} for each in facts["findings"]],
        "diagnosis": [each.as_json for each in facts["diagnosis"]],
        "leader_age_s": seen.led_s if seen else None,
        "queues": [
            {
                "name": each.name,
                "length": each.length,
                "oldest_s": round(each.oldest_s, 3),
                "given_up": each.given_up,
            }
            for each in (seen.queues if seen else ())
        ],
        "last_fill": facts["last_fill"].isoformat() if facts["last_fill"] else None,
        "gain": {
            asset: {
                "realised": plain(each.realised),
                "unrealised": plain(each.unrealised),
                "gain": plain(each.equity),
                "positions_without_price": each.unpriced,
            }
            for asset, each in facts["standing"].items()
        },
        "account": None if account is None else _account_as_json(account),
    }
    return told | {old: told[name] for old, name in OLD_NAMES.items()}


def _account_as_json(account: money.Account) -> dict[str, Any]:
    gains = {"today": (account.today, account.apart_today), "total": (account.total, account.apart)}
    return {
        "asset": account.asset,
        "value": plain(account.value),
        "put_in": plain(account.put_in),
        "since": account.since.isoformat(),
        "asked_at": account.at.isoformat(),
        "unpriced": list(account.unpriced),
        **{
            name: {
                "realised": plain(gain.realised),
                "unrealised": plain(gain.unrealised),
                "net": plain(gain.net),
                "apart_from_traders": plain(apart),
            }
            for name, (gain, apart) in gains.items()
        },
    }


def _account_in_words(account: money.Account) -> str:
    today, total, asset = account.today, account.total, account.asset
    value, put_in = numbers.money(account.value, asset), numbers.money(account.put_in, asset)
    parts = f"realised {numbers.signed(total.realised, asset)}, unrealised {numbers.signed(total.unrealised, asset)}"
    return (
        f"Account value {value} {asset}, put in {put_in}. "
        f"Net today {numbers.signed(today.net, asset)}, in total {numbers.signed(total.net, asset)} ({parts}); "
        f"apart from traders {numbers.signed(account.apart, asset)}."
    )


def _measured_in_words(row: AccountValue) -> str:
    """As it was measured last: where prices are not known now, what is held would count nothing."""
    asset, net = row.asset, row.realised + row.unrealised
    return (
        f"As measured at {row.measured_at:%d %b %H:%M:%S} UTC, for not all prices are known now: account value "
        f"{numbers.money(row.value, asset)} {asset}, put in {numbers.money(row.put_in, asset)}, net in total "
        f"{numbers.signed(net, asset)} (realised {numbers.signed(row.realised, asset)}, unrealised "
        f"{numbers.signed(row.unrealised, asset)})."
    )


def _worth(facts: dict[str, Any]) -> list[str]:
    """The account in a line; before it was measured, what trading has gained by quote asset."""
    account = facts["account"]
    unpriced = sum(each.unpriced for each in facts["standing"].values())
    if account and (unpriced or account.unpriced) and (row := books.last(facts["venue"])):
        return [_measured_in_words(row)]
    if account:
        return [_account_in_words(account)]
    return [_gain(asset, each) for asset, each in sorted(facts["standing"].items())]


def as_text(facts: dict[str, Any]) -> str:
    """For people."""
    left = facts["left_over"]
    symbols = [["SYMBOL", "FEED", "TRADING", "LAST PRICE", "AGE", "TRADERS", "CYCLES", "PROFIT", "LEFTOVER"]]
    for line in facts["lines"]:
        trade = line.last_trade
        symbols.append(
            [
                line.name,
                "on" if line.is_streaming else "off",
                "on" if line.is_trading else "off",
                plain(trade.price) if trade else "unknown",
                figures.age(trade.age_s) if trade else "",
                str(line.traders),
                str(line.cycles_finished),
                figures.marked(f"{plain(line.profit)} {line.quote_asset}", line.unvalued),
                left[line.pk].in_short if line.pk in left else "",
            ]
        )
    if not left:
        symbols = [row[:-1] for row in symbols]
    states = [["PROCESS", "STATE", "SEEN", ""]]
    for state in facts["processes"]:
        seen = "never" if state.age_s is None else f"{figures.age(state.age_s)} ago"
        states.append([state.name, STATES[state.alive], seen, state.note])
    left_of = by_quote_asset(left.values())
    profit = ", ".join(
        figures.marked(f"{plain(each.total)} {each.asset}", each.unvalued)
        + (f" ({left_of[each.asset]})" if each.asset in left_of else "")
        for each in facts["profits"]
    )
    budget = facts["budget"]
    # What stops all trading comes first.
    first = [each for each in facts["diagnosis"] if each.topic in FIRST and each.severity == Severity.ALARM]
    others = [each for each in facts["diagnosis"] if each not in first]
    if facts["stopped"]:
        others = [each for each in others if each.topic != Topic.PROCESS]
    parts = [
        *([facts["stopped"], ""] if facts["stopped"] else []),
        *(line for each in first for line in (str(each), "")),
        f"Hedgehog {VERSION}. Venue {facts['venue'].shown}. Realised profit: {profit or 'none yet'}.",
        *_worth(facts),
        *_table(symbols, right={3, 4, 5, 6, 7}),
        f"Open orders: {facts['orders_open']}, in flight: {facts['orders_in_flight']}"
        + (f", unconfirmed and being queried: {facts['unconfirmed']}" if facts["unconfirmed"] else ""),
        *([f"Rate limits at {budget.host}: {blockers.used(budget)}"] if budget else []),
        *(
            f"Blocked, {row.traders} trader{'' if row.traders == 1 else 's'}: {row.reason}"
            for row in facts["blocked"]
        ),
        *([""] if facts["stopped"] else [*_table(states), *_progress(facts)]),
        *(f"Note: {each}" for each in others),
    ]
    return "\n".join(parts)


def _gain(asset: str, each: equity.Standing) -> str:
    """What positions would add at the last price, and what all comes to. Both may be below zero."""
    marked = figures.marked(f"{_signed(each.unrealised)} {asset}", each.unvalued_held)
    text = (
        f"Unrealised: {marked}, positions at {plain(each.held_value)} {asset}. Gain: {_signed(each.equity)} {asset}."
    )
    return f"{text} {figures.count(each.unpriced, 'position')} without a price, at cost." if each.unpriced else text


def _signed(amount: Decimal) -> str:
    return f"{'+' if amount > 0 else ''}{rounded(amount)}"


def _progress(facts: dict[str, Any]) -> list[str]:
    """How far everything gets: the leader, the queues, the fills."""
    seen, fill = facts["seen"], facts["last_fill"]
    if seen is None:
        return []
    led = "never" if seen.led_s is None else f"{figures.age(seen.led_s)} ago"
    waiting = ", ".join(
        f"{each.name} {each.length}" + (f" (oldest {figures.age(each.oldest_s)})" if each.length else "")
        for each in seen.queues
    )
    fills = f"; last fill {fill:%d %b %H:%M:%S} UTC" if fill else ""
    lost = [f"Given up: {each}" for each in figures.given_up(seen.queues)]
    return [f"Leader last finished: {led}; queued tasks: {waiting}{fills}", *lost, ""]


def _table(rows: list[list[str]], right: Collection[int] = ()) -> list[str]:
    return ["", *table(rows, right), ""]
