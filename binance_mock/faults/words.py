"""A fault in words, for the terminal and the admin. Times are those of this machine's clock, in milliseconds."""

from collections.abc import Mapping
from typing import Any

from binance_mock.faults.kinds import KINDS


def settings(fault: Mapping[str, Any]) -> str:
    """What is set for a fault, as GET /mock/faults shows it: "20 %, max 5 times, for 30 s, ETHUSDT, seed 7"."""
    parts = []
    if fault["probability"] < 1:
        parts.append(f"{fault['probability'] * 100:g} %")
    if fault["count"] is not None:
        parts.append("once" if fault["count"] == 1 else f"max {fault['count']} times")
    if fault["for_s"] is not None:
        parts.append(f"for {fault['for_s']:g} s")
    if fault["count"] is None and fault["for_s"] is None:
        parts.append("until turned off")
    parts += [str(fault[name]) for name in ("symbol", "side", "endpoint") if fault[name]]
    kind = KINDS.get(fault["kind"])
    parts += [f"{name}={fault[name]}" for name in (kind.options if kind else ()) if fault.get(name)]
    return ", ".join([*parts, f"seed {fault['seed']}"])


def last_injected(fault: Mapping[str, Any], now_ms: int) -> str:
    """When it was injected last: "3 s ago"."""
    return "never" if fault["last_ms"] is None else f"{span(now_ms - fault['last_ms'])} ago"


def left(fault: Mapping[str, Any]) -> str:
    """What is left of it: "2 times, 12 s"; nothing where it ended or has no end."""
    parts = []
    if fault["is_on"] and fault["left"] is not None:
        parts.append(f"{fault['left']} time{'s' if fault['left'] != 1 else ''}")
    if fault["left_s"] is not None:
        parts.append(span(fault["left_s"] * 1000))
    return ", ".join(parts)


def span(ms: float) -> str:
    seconds = max(0, round(ms / 1000))
    if seconds < 120:
        return f"{seconds} s"
    return f"{seconds // 60} min" if seconds < 7200 else f"{seconds // 3600} h"
