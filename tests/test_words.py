"""The words that docs/glossary.md has replaced are in no text that a user reads."""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("console", "trading", "binance_mock", "streamer", "history", "candles", "hedgehog_project")
# Read as they are, besides the strings of the code.
TEXTS = (
    *("*.md", "docs/**/*.md", "bench/*.md", "Makefile", ".env.example", "supervisord.conf"),
    *(f"{package}/**/*.{suffix}" for package in PACKAGES for suffix in ("html", "js", "txt")),
)
OLD = re.compile(
    r"""\b(
        held\s+back | (take|takes|taken)\s+back | (?<!at\s)most | (?<!at\s)least | mend(s|ed|ing)? | rung | rang
        | chunks? | brought | the\s+books | under\s+the\s+market | strikes? | struck
    )\b""",
    re.IGNORECASE | re.VERBOSE,
)
# Where an old word may stay, with the reason.
EXCEPTIONS = {
    ("trading/migrations", "chunks"): "an applied migration is not changed",
    ("trading/migrations", "brought"): "an applied migration is not changed",
    ("trading/migrations", "held back"): "an applied migration is not changed",
    ("trading/migrations", "most"): "an applied migration is not changed",
    ("trading/migrations", "taken back"): "an applied migration is not changed",
    ("trading/migrations", "takes back"): "an applied migration is not changed",
    ("trading/migrations", "the books"): "an applied migration is not changed",
    ("trading/migrations", "under the market"): "an applied migration is not changed",
    ("hedgehog_project/migrations", "brought"): "an applied migration is not changed",
    ("trading/symbols/profiles.py", "chunks"): "the old name of a setting, accepted for one release",
    ("CHANGELOG.md", "mend"): "the old name of a level of check_exchange",
    ("binance_mock/faults/faults.py", "struck"): "the old key of GET /mock/faults, kept for one release",
    ("binance_mock/server/faults/control.py", "strikes"): "the old key of GET /mock/faults, kept for one release",
}


def strings(source: str, with_docstrings: bool) -> Iterator[tuple[int, str]]:
    """The string literals of some code, each with its line."""
    tree = ast.parse(source)
    docstrings = {
        node.body[0].value
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        match node:
            case ast.Constant(value=str(text)) if with_docstrings or node not in docstrings:
                yield node.lineno, text


def without_old_names(changelog: str) -> str:
    """The changelog without its tables of old and new names."""
    return re.sub(r"^### Names$.*?(?=^#)", "", changelog, flags=re.DOTALL | re.MULTILINE)


def old_words(text: str) -> list[str]:
    return [" ".join(found[0].lower().split()) for found in OLD.finditer(text)]


def found() -> Iterator[tuple[str, str, str]]:
    """Each old word in a text for users: its file, the word, and where it is."""
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            file = str(path.relative_to(ROOT))
            # A strategy's docstring is its description in the admin.
            for line, text in strings(path.read_text(), file.startswith("trading/strategies/")):
                for word in old_words(text):
                    yield file, word, f"{file}:{line}: {word!r} in {text!r}"
    for pattern in TEXTS:
        for path in sorted(ROOT.glob(pattern)):
            file, text = str(path.relative_to(ROOT)), path.read_text()
            for word in old_words(without_old_names(text) if path.name == "CHANGELOG.md" else text):
                yield file, word, f"{file}: {word!r}"


def exception(file: str, word: str) -> tuple[str, str] | None:
    return next((each for each in EXCEPTIONS if file.startswith(each[0]) and word == each[1]), None)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Trading is held\nback. Rang.", ["held back", "rang"]),
        ("Most exposure, at most 5, at least 3, least profit", ["most", "least"]),
        ("It takes back what rests; buys are taken back.", ["takes back", "taken back"]),
        ("We recommend to amend it: almost strange.", []),
        ("It strikes once, and has struck.", ["strikes", "struck"]),
        (
            "mend: 5 chunks 1 % under the market brought the books",
            ["mend", "chunks", "under the market", "brought", "the books"],
        ),
    ],
)
def test_old_words_are_found_and_others_are_not(text: str, words: list[str]) -> None:
    assert old_words(text) == words


def test_strings_and_texts_are_read() -> None:
    source = 'def f():\n    """Most of it."""\n    return f"{x} most " + g(help="Rang.")\n'
    assert {text for _, text in strings(source, False)} == {"Rang.", " most "}
    assert len(list(strings(source, True))) == 3
    assert without_old_names("a\n### Names\n| `chunks` |\n## 0.3.0\nb") == "a\n## 0.3.0\nb"
    assert all(list(ROOT.glob(pattern)) for pattern in ("*.md", "docs/**/*.md", "console/**/*.html"))


def test_a_planted_word_is_found_in_each_kind_of_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    planted = {
        "console/page.py": 'def f():\n    """It rang."""\n    label = "Most orders"\n',
        "trading/strategies/own.py": '"""Buys under the market."""\n',
        "console/templates/page.html": "<p>held back</p>",
        "docs/page.md": "Its books, the books.",
        "CHANGELOG.md": "### Names\n`chunks`\n## 0.1.0\nA rung, at most.\n",
    }
    for file, text in planted.items():
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text(text)
    monkeypatch.setattr(sys.modules[__name__], "ROOT", tmp_path)
    assert {(file, word) for file, word, _ in found() if not exception(file, word)} == {
        ("console/page.py", "most"),
        ("trading/strategies/own.py", "under the market"),
        ("console/templates/page.html", "held back"),
        ("docs/page.md", "the books"),
        ("CHANGELOG.md", "rung"),
    }


def test_no_text_for_users_contains_an_old_word() -> None:
    assert [where for file, word, where in found() if not exception(file, word)] == []


def test_every_exception_is_needed() -> None:
    assert set(EXCEPTIONS) == {exception(file, word) for file, word, _ in found()} - {None}
