"""The same for several things, so that one that fails keeps none of the others from their turn."""

import logging
from collections.abc import Callable, Iterable
from typing import TypeVar

log = logging.getLogger(__name__)

Thing = TypeVar("Thing")


def each(things: Iterable[Thing], do: Callable[[Thing], object]) -> None:
    """Raises the first error once all have had their turn; each other one is logged."""
    first: Exception | None = None
    for thing in things:
        try:
            do(thing)
        except Exception as error:
            if first is not None:
                log.exception("one of several failed: %s", thing)
            first = first or error
    if first is not None:
        raise first
