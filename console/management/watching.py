"""A text that is redrawn in place, with colours; one below the other where nobody sees it, as in a file."""

import time
from collections.abc import Callable

from django.core.management.base import OutputWrapper
from rich.console import Console
from rich.live import Live
from rich.text import Text

# What stands out, by its style: alarms, losses and gains, what is blocked, headings.
STYLES = {
    "bold red": r"\bDOWN\b|^.*\bdown:.*$|\bHALTED\b|^Trading is halted.*$",
    "red": r"(?<![\w-])-\d[\d.]* [A-Z]{3,}\b",
    "green": r"\+\d[\d.]* [A-Z]{3,}\b|\bup\b",
    "yellow": r"^(Blocked|Note|Given up)\b.*$|\bunknown\b",
    "bold": r"^[A-Z]{4,}  .*$",
}


def painted(text: str) -> Text:
    found = Text(text)
    for style, pattern in STYLES.items():
        found.highlight_regex(f"(?m){pattern}", style)
    return found


def watch(told: Callable[[], str], every_s: float, out: OutputWrapper) -> None:
    """Shows what `told` says now, again and again, until Ctrl-C."""
    console = Console(file=out._out, soft_wrap=False)  # type: ignore[arg-type]  # what the wrapper writes to
    try:
        if not console.is_terminal:
            while True:
                out.write(told())
                out.flush()
                time.sleep(every_s)
        with Live(console=console, screen=True, auto_refresh=False, vertical_overflow="crop") as live:
            while True:
                live.update(painted(f"{told()}\n\nRefreshing every {every_s:.0f} s; Ctrl-C to stop."), refresh=True)
                time.sleep(every_s)
    except KeyboardInterrupt:
        return
