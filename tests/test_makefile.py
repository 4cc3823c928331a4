"""What the Makefile and the documents tell Python to run is there, under that name."""

import re
from importlib.util import find_spec

import pytest

from tests.support.environment import ROOT

FILES = [ROOT / name for name in ("Makefile", "README.md", "CONTRIBUTING.md", "bench/RESULTS.md", ".ci/run")]
# As in `python -m bench.streamer`: the module, without what follows.
STARTED = re.compile(r"python3? -m ([a-z_][a-z0-9_.]*[a-z0-9_])")


def started() -> list[tuple[str, str]]:
    found = {
        (path.name, module)
        for path in [*FILES, *sorted((ROOT / "docs").rglob("*.md"))]
        for module in STARTED.findall(path.read_text())
    }
    return sorted(found)


@pytest.mark.parametrize(("file", "module"), started())
def test_module_that_is_to_be_run_is_there(file: str, module: str) -> None:
    assert find_spec(module) is not None, f"{file} runs {module}"


def test_make_run_starts_what_the_tests_of_the_launcher_start() -> None:
    assert ("Makefile", "hedgehog_project.launch.run") in started()
    assert find_spec("hedgehog_project.launch.no_such_module") is None
