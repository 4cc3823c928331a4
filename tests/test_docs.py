"""The documents: no link leads nowhere, and no command and no setting is missing."""

import re

import pytest
from django.core.management import get_commands

from tests.support.environment import ROOT

DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), ROOT / "bench/RESULTS.md"])
OURS = ("console", "trading", "streamer", "history", "binance_mock")
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
# Processes that `make run` starts are one row of the table; this one prepares a home and belongs to the launcher.
WITHOUT_A_ROW = {"setup"}


def anchors(text: str) -> set[str]:
    """As GitHub makes them of headings."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path: object) -> None:
    document = ROOT / str(path)
    for link in LINK.findall(document.read_text()):
        target, _, anchor = link.partition("#")
        if re.match(r"[a-z]+:", link):
            continue
        there = (document.parent / target) if target else document
        assert there.exists(), link
        if anchor:
            assert anchor in anchors(there.read_text()), link


def test_every_command_has_a_row() -> None:
    text = (ROOT / "docs/commands.md").read_text()
    ours = {name for name, app in get_commands().items() if str(app) in OURS}
    missing = {name for name in ours - WITHOUT_A_ROW if not re.search(rf"`{name.replace('_', '[_-]')}\b", text)}
    assert not missing


def test_every_setting_of_the_example_is_described() -> None:
    described = (ROOT / "docs/settings.md").read_text()
    families = ("TESTNET_", "DEMO_", "KEEP_")  # one row each
    for name in re.findall(r"^#([A-Z_0-9]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE):
        family = next((each for each in families if name.startswith(each)), "")
        is_address = re.fullmatch(r"(LIVE|TESTNET|DEMO)_(REST|WS_API|STREAM)_URL", name)
        shown = f"`{family}" if family else "`LIVE_…_URL`" if is_address else f"`{name.removesuffix('_FILE')}"
        assert shown in described, name
