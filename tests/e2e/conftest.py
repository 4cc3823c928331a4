"""A stack of real processes for each test, on SQLite and on PostgreSQL."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from pytest_django.plugin import DjangoDbBlocker

from tests.support.machine.stack import Stack

MakeStack = Callable[..., Stack]


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """A new database's address; empty for SQLite in the stack's home."""
    if request.param == "sqlite":
        return ""
    url: str = request.getfixturevalue("postgres").create()
    return url


@pytest.fixture
def make_stack(tmp_path: Path, database_url: str, django_db_blocker: DjangoDbBlocker) -> Iterator[MakeStack]:
    """Makes the test's stack, with its database prepared; from then on our models mean that database's rows."""
    with ExitStack() as until_the_end:

        def make(**environment: object) -> Stack:
            stack = Stack(tmp_path, database_url, **environment)
            until_the_end.callback(stack.stop)
            stack.prepare()
            until_the_end.enter_context(django_db_blocker.unblock())
            until_the_end.enter_context(stack.looked_into())
            return stack

        yield make
