"""Small pictures in rows, as inline SVG: a line of prices, the slots of a symbol, the parts of an account."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

WIDTH, HEIGHT, EDGE = 104, 30, 2
MAX_RUNGS = 6
OURS, GREY, ATTENTION = "var(--hh-ours)", "var(--color-base-400)", "var(--hh-attn-edge)"


def line(prices: Sequence[float], what: str) -> SafeString | str:
    """The prices from left to right, a dot on the last; empty where there are fewer than two."""
    if len(prices) < 2:
        return ""
    low, high = min(prices), max(prices)
    span = (high - low) or 1.0
    step = (WIDTH - 2 * EDGE) / (len(prices) - 1)
    points = [
        (EDGE + n * step, HEIGHT - EDGE - (each - low) / span * (HEIGHT - 2 * EDGE)) for n, each in enumerate(prices)
    ]
    return format_html(
        '<svg class="hh-line" width="{}" height="{}" viewBox="0 0 {} {}" role="img" aria-label="{}">'
        '<polyline points="{}" fill="none" stroke="currentColor" stroke-width="1.4" stroke-linejoin="round"/>'
        '<circle cx="{}" cy="{}" r="2.4" fill="{}"/></svg>',
        WIDTH, HEIGHT, WIDTH, HEIGHT, what,
        " ".join(f"{x:.1f},{y:.1f}" for x, y in points), f"{points[-1][0]:.1f}", f"{points[-1][1]:.1f}", OURS,
    )  # fmt: skip


@dataclass(frozen=True)
class Slots:
    """How the slots of a symbol stand. `is_paused`: those that wait may not buy."""

    held: int = 0
    buying: int = 0
    waiting: int = 0
    is_paused: bool = False

    @property
    def text(self) -> str:
        parts = [f"{self.held} held"] if self.held else []
        parts += [f"{self.buying} buying"] if self.buying else []
        if self.is_paused:
            parts.append("paused")
        elif self.waiting and not parts:
            parts.append(f"{self.waiting} waiting")
        return ", ".join(parts) or "none"


def slots(of: Slots) -> SafeString:
    """A rung each: filled is held, outlined buys, dashed waits; amber where it may not. The words stand beside it."""
    rungs = ["held"] * of.held + ["buying"] * of.buying + ["waiting"] * of.waiting
    shown = rungs[:MAX_RUNGS]
    drawn = format_html_join("", "{}", ((_rung(kind, n * 8, of.is_paused),) for n, kind in enumerate(shown)))
    height = max(5, len(shown) * 8 - 3)
    return format_html(
        '<svg width="26" height="{}" viewBox="0 0 26 {}" aria-hidden="true">{}</svg>', height, height, drawn
    )


def _rung(kind: str, y: int, is_paused: bool) -> SafeString:
    if kind == "held":
        return format_html('<rect x="0" y="{}" width="26" height="5" rx="1" fill="{}"/>', y, OURS)
    if kind == "buying":
        return format_html(
            '<rect x=".75" y="{}" width="24.5" height="3.5" rx="1" fill="none" stroke="{}" stroke-width="1.5"/>',
            y + 0.75,
            OURS,
        )
    return format_html(
        '<line x1="0" x2="26" y1="{}" y2="{}" stroke="{}" stroke-width="2" stroke-dasharray="3 3"/>',
        y + 2.5,
        y + 2.5,
        ATTENTION if is_paused else GREY,
    )


# What is free, what is bound in buys, then the assets.
SHADES = ("#d1d5db", "#9ca3af", "#6b21a8", "#9333ea", "#c084fc", "#e9d5ff", "#4b5563")


def shade(n: int) -> str:
    """The colour of the nth part of an account."""
    return SHADES[min(n, len(SHADES) - 1)]


def parts(values: Sequence[Decimal]) -> SafeString:
    """How an account divides, widths in per cent, as a bar; without what is worth nothing."""
    total = sum(values, Decimal(0))
    if total <= 0:
        return mark_safe("")
    bars = format_html_join(
        "",
        '<i style="width:{}%;background:{}"></i>',
        ((f"{float(value / total) * 100:.2f}", shade(n)) for n, value in enumerate(values) if value > 0),
    )
    return format_html('<div class="hh-parts" role="img" aria-label="Parts of the account">{}</div>', bars)
