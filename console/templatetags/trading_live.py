"""Figures that refresh themselves: the server's text, and the name by which the page's script finds it."""

from collections.abc import Mapping
from typing import Any

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

from console.chart.standing import Standing, Value

register = template.Library()
TONES = {1: "hh-good", -1: "hh-bad", 0: "hh-dim", None: ""}


def live_text(name: str, value: Value) -> SafeString:
    text, sign = value
    return format_html('<span class="hh-number {}" data-live="{}">{}</span>', TONES[sign], name, text)


@register.simple_tag(takes_context=True)
def live(context: Mapping[str, Any], values: Mapping[str, Value], key: str) -> SafeString:
    """One of a symbol's figures: {% live head "price" %}."""
    return live_text(f"{context['topic']}.{key}", values.get(key, ("", None)))


@register.simple_tag(takes_context=True)
def live_slot(context: Mapping[str, Any], of: Standing, trader_id: int, key: str) -> SafeString:
    """One of a slot's figures; where the page has none, its script fills it."""
    value = context.get("head", {}).get(f"slot.{trader_id}.{key}", ("", None))
    return live_text(f"sym.{of.symbol.name}.slot.{trader_id}.{key}", value)
