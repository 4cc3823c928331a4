"""What others wrote and we ship: unchanged, with its licence beside it."""

import hashlib
from pathlib import Path

import pytest

VENDORED = sorted((Path(__file__).parents[3] / "console/static/trading/vendor").iterdir())


@pytest.mark.parametrize("folder", VENDORED, ids=lambda folder: folder.name)
def test_a_vendored_file_is_the_one_that_its_version_names(folder: Path) -> None:
    said = dict(line.split(maxsplit=1) for line in (folder / "VERSION").read_text().splitlines())
    name = Path(said["file"].partition(",")[0]).name
    assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == said["sha256"]
    assert said["version"] in (folder / name).read_text()[:300]
    assert {path.name for path in folder.iterdir()} == {name, "LICENSE", "NOTICE", "VERSION"}


def test_something_is_vendored() -> None:
    assert [folder.name for folder in VENDORED] == ["lightweight-charts"]
