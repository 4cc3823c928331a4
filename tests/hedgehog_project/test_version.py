"""The version: in one place, and the one that the changelog released last."""

import re

from hedgehog_project.version import VERSION
from tests.support.environment import ROOT

RELEASE = re.compile(r"^## (?:(Unreleased)|(\d+\.\d+\.\d+) \((\d{4}-\d\d-\d\d)\))$", re.MULTILINE)


def test_the_version_is_the_last_release_of_the_changelog() -> None:
    text = (ROOT / "CHANGELOG.md").read_text()
    found = RELEASE.findall(text)
    assert len(found) == len(re.findall(r"^## ", text, re.MULTILINE)), "each release has its version and its day"
    releases = [(version, day) for is_open, version, day in found if not is_open]
    assert releases[0][0] == VERSION
    assert releases == sorted(releases, key=lambda each: [int(part) for part in each[0].split(".")], reverse=True)
