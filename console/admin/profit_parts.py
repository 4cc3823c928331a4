"""Parts of the page of profit: bars, the calendar, and the columns of its table."""

import calendar
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from django.utils.html import format_html
from django.utils.safestring import SafeString

from console import numbers
from console.admin import show
from console.figures import count
from trading.books import statistics
from trading.books.profit import Line
from trading.books.statistics import Bar, Bars
from trading.books.totals import Total
from trading.core.money import ZERO

MAX_BARS = 120
# Of the drawing, in its own units; it is stretched to the width of the page, its texts stand beside it.
WIDTH, HEIGHT, EDGE = 1000, 160, 4


# --- bars -----------------------------------------------------------------------------------------
def bars_svg(found: Sequence[Bar], by: Bars, asset: str) -> dict[str, Any]:
    """Where each bar stands in a drawing of WIDTH x HEIGHT; floats are for the eye only."""
    shown = found[-MAX_BARS:]
    gains = [float(bar.total.profit) for bar in shown]
    highest, lowest = max([0.0, *gains]), min([0.0, *gains])
    scale = (HEIGHT - 2 * EDGE) / ((highest - lowest) or 1.0)
    zero, step = EDGE + highest * scale, WIDTH / max(len(shown), 1)
    told = []
    for place, (bar, gain) in enumerate(zip(shown, gains, strict=True)):
        height = max(abs(gain) * scale, 1.0 if gain else 0.0)
        told.append(
            {
                "x": f"{place * step + step * 0.15:.1f}",
                "y": f"{zero - height if gain > 0 else zero:.1f}",
                "width": f"{step * 0.7:.1f}",
                "height": f"{height:.1f}",
                "kind": "hh-gain" if gain > 0 else "hh-loss",
                "title": f"{label(bar.begins, by)}: {numbers.signed(bar.total.profit, asset)} {asset}, "
                f"{count(bar.total.cycles, 'cycle')}",
            }
        )
    extremes = [do((bar.total.profit for bar in shown), default=ZERO) for do in (max, min)]
    marks = sorted({0, len(shown) // 2, len(shown) - 1}) if shown else []
    return {
        "bars": told,
        "zero": f"{zero:.1f}",
        "width": WIDTH,
        "height": HEIGHT,
        "highest": numbers.signed(max(extremes[0], ZERO), asset),
        "lowest": numbers.signed(min(extremes[1], ZERO), asset),
        "labels": [label(shown[place].begins, by) for place in marks],
        "says": _says(shown, by, asset),
        "has_more": len(found) > len(shown),
    }


def _says(shown: Sequence[Bar], by: Bars, asset: str) -> str:
    if not shown:
        return "No finished cycles"
    best, worst = (do(shown, key=lambda bar: bar.total.profit) for do in (max, min))
    return (
        f"Realised by {by}, {len(shown)} bars: best {label(best.begins, by)} "
        f"{numbers.signed(best.total.profit, asset)}, worst {label(worst.begins, by)} "
        f"{numbers.signed(worst.total.profit, asset)} {asset}"
    )


def label(begins: date, by: Bars) -> str:
    """27 Nov 2026; week of 23 Nov 2026; November 2026."""
    day = f"{begins.day} {begins:%b %Y}"
    return f"{begins:%B %Y}" if by == Bars.MONTH else f"week of {day}" if by == Bars.WEEK else day


# --- calendar -------------------------------------------------------------------------------------
def weeks_of(month: date, days: Mapping[date, Total], asset: str) -> list[list[dict[str, Any]]]:
    """The weeks of a month, seven days each, Monday first; days of other months are empty."""
    return [
        [_day(day, days.get(day), asset) if day.month == month.month else {} for day in week]
        for week in calendar.Calendar().monthdatescalendar(month.year, month.month)
    ]


def _day(day: date, total: Total | None, asset: str) -> dict[str, Any]:
    gain = ZERO if total is None else total.profit
    return {
        "number": day.day,
        "kind": "hh-won" if gain > 0 else "hh-lost" if gain < 0 else "",
        "gain": "" if total is None else numbers.signed(gain, asset),
        "tone": show.tone(gain),
        "title": "" if total is None else count(total.cycles, "cycle"),
    }


# --- the table ------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Column:
    """One column of the table: its name in the address, its head, what it shows of a line, how to sort by it."""

    key: str
    head: str
    shows: Callable[[Line], SafeString | str]
    sorts: Callable[[Line], Any]


def columns(unrealised: bool, holding: Mapping[str, Decimal]) -> list[Column]:
    """After the name. `holding`: what the coin itself would have gained, by line."""
    found = [
        Column("realised", "Realised", _realised, lambda line: line.realised),
        Column("share", "% of budget", lambda line: percent(line.share), lambda line: line.share),
        Column(
            "wins",
            "Win rate",
            lambda line: _plain_percent(statistics.win_rate(line.total)),
            lambda line: statistics.win_rate(line.total),
        ),
        Column("factor", "Profit factor", _factor, lambda line: statistics.profit_factor(line.total)),
        Column("hold", "Average hold", _hold, lambda line: statistics.average_hold_s(line.total)),
        Column("fees", "Fees", lambda line: numbers.money(line.total.fees, line.asset), lambda line: line.total.fees),
    ]
    if unrealised:
        found.append(Column("unrealised", "Unrealised", _unrealised, lambda line: line.unrealised))
        found.append(
            Column(
                "unrealised_share",
                "% of budget",
                lambda line: percent(line.unrealised_share),
                lambda line: line.unrealised_share,
            )
        )
    if holding:
        found.append(
            Column(
                "holding",
                "Holding instead",
                lambda line: show.profit(holding.get(line.name), line.asset),
                lambda line: holding.get(line.name),
            )
        )
    return found


def in_order(lines: Sequence[Line], columns: Sequence[Column], sort: str) -> list[Line]:
    """By a column's key, "-" before it for the greatest first; lines without a value come last."""
    key = sort.lstrip("-")
    named = {column.key: column.sorts for column in columns}
    named |= {"name": lambda line: line.name, "cycles": lambda line: line.cycles}
    if key not in named:
        return list(lines)
    known = [line for line in lines if named[key](line) is not None]
    unknown = [line for line in lines if named[key](line) is None]
    return sorted(known, key=named[key], reverse=sort.startswith("-")) + unknown


def percent(share: Decimal | None) -> str:
    return show.NONE if share is None else show.percent(round(share, 4))


def _plain_percent(value: Decimal | None) -> str:
    return show.NONE if value is None else f"{numbers.fixed(value.scaleb(2), 1)} %"


def _realised(line: Line) -> SafeString | str:
    return show.profit(line.realised, line.asset, line.unvalued, line.left_over)


def _unrealised(line: Line) -> SafeString | str:
    return show.profit(line.unrealised, line.asset, line.unvalued_held) if line.is_priced else "unknown"


def _factor(line: Line) -> str:
    factor = statistics.profit_factor(line.total)
    return show.NONE if factor is None else numbers.fixed(factor, 2)


def _hold(line: Line) -> SafeString | str:
    hold_s = statistics.average_hold_s(line.total)
    return show.NONE if hold_s is None else format_html('<span class="hh-nowrap">{}</span>', numbers.duration(hold_s))
