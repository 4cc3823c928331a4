"""Django's own dumpdata and loaddata: every row that has a table comes out, and back as it was."""

from datetime import datetime
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.core.management import call_command

from binance_mock.models import MockAccount
from tests.support.rows import make_cycle, make_story
from trading.models import Fill, JournalEntry, Order, Symbol, Trader

pytestmark = [pytest.mark.django_db, pytest.mark.databases]


def rows() -> dict[str, list[Any]]:
    """Every row, its times to the millisecond: Django's JSON has no more."""
    models = [model for model in apps.get_models(include_auto_created=True) if model._meta.managed]
    return {
        model._meta.label: [
            {name: to_ms(value) for name, value in row.items()} for row in model._base_manager.order_by("pk").values()
        ]
        for model in models
    }


def to_ms(value: Any) -> Any:
    is_time = isinstance(value, datetime)
    return value.replace(microsecond=value.microsecond // 1000 * 1000) if is_time else value


@pytest.mark.parametrize("options", [{}, {"use_base_manager": True}])
def test_what_is_dumped_can_be_loaded_again(symbol: Symbol, tmp_path: Path, options: dict[str, bool]) -> None:
    make_story(symbol)
    make_cycle(symbol, "0.12345678")
    before = rows()
    out = StringIO()
    call_command("dumpdata", stdout=out, **options)
    dump = tmp_path / "dump.json"
    dump.write_text(out.getvalue())
    for model in (JournalEntry, Fill, Order, Trader):
        model.objects.all().delete()
    call_command("loaddata", dump, verbosity=0)
    assert rows() == before


def test_the_pages_of_the_mock_exchange_have_no_rows_to_dump() -> None:
    out = StringIO()
    call_command("dumpdata", MockAccount._meta.app_label, stdout=out)
    assert out.getvalue().strip() == "[]"
