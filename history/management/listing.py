"""`manage.py history list`: what is here, by month."""

import argparse
import json
from collections.abc import Mapping
from typing import Any

from django.core.management.base import BaseCommand

from hedgehog_project.tables import size, table
from history import coverage
from history.models import HistoryFile
from history.progress import counted
from history.rows import row

ABOUT = "show which months are here, and what is missing in them"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("symbols", nargs="*", type=str.upper, metavar="SYMBOL", help="default: all")
    parser.add_argument("--json", action="store_true", help="the files, one object each")


def run(command: BaseCommand, options: Mapping[str, Any]) -> None:
    files = HistoryFile.objects.all()
    if options["symbols"]:
        files = files.filter(symbol__in=options["symbols"])
    if options["json"]:
        fields = [field.name for field in HistoryFile._meta.fields if field.name != "id"]
        command.stdout.write(json.dumps(list(files.values(*fields)), default=str, indent=1))
        return
    rows = [["SYMBOL", "KIND", "MARKET", "MONTH", "DAYS", "ROWS", "MISSING", "STATE"]]
    groups: dict[tuple[str, str, str], list[HistoryFile]] = {}
    for file in files:
        groups.setdefault((file.symbol, file.kind, file.market), []).append(file)
    for group, inside in sorted(groups.items()):
        for month in coverage.months(row(file) for file in inside if file.period):
            state = f"{month.state}: {'; '.join(month.doubts)[:80]}" if month.doubts else month.state
            figures = [str(month.days), f"{month.rows:,}", f"{month.missing:,}" if month.missing else "", state]
            rows.append([*group, month.month.name, *figures])
        for file in inside:
            if not file.period:
                rows.append([*group, file.name, "", "", "", f"suspect: {'; '.join(file.doubts)[:80]}"])
    if len(rows) == 1:
        command.stdout.write("Nothing is here. `manage.py history download` or `import` gets trades of the past.")
        return
    command.stdout.write("\n".join(table(rows, right={4, 5, 6})))
    all_files = [file for inside in groups.values() for file in inside]
    total = sum(file.rows for file in all_files)
    command.stdout.write(
        f"{counted(total, 'row')} in {counted(len(all_files), 'file')}, {size(sum(f.bytes for f in all_files))}."
    )
