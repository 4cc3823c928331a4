"""docs/glossary.md as the admin shows it: one source for the documents and the pages."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from django.utils.html import escape, format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.text import slugify

FILE = Path(__file__).resolve().parent.parent / "docs" / "glossary.md"
_TERM = re.compile(r"\*\*(.+?)\*\*")
_INLINE = re.compile(r"\*\*(?P<strong>.+?)\*\*|`(?P<code>.+?)`|\*(?P<em>.+?)\*|\[(?P<text>.+?)\]\((?P<url>.+?)\)")


@dataclass(frozen=True)
class Entry:
    """One or more terms and what they mean; `anchor` is that of the first."""

    names: tuple[str, ...]
    terms: SafeString
    meaning: SafeString

    @property
    def anchor(self) -> str:
        return anchor_of(self.names[0])


@dataclass(frozen=True)
class Section:
    title: str
    entries: tuple[Entry, ...]


@lru_cache(maxsize=1)
def sections() -> tuple[Section, ...]:
    """Every theme with its terms, as the file has them at the start of this process."""
    return tuple(_read(FILE.read_text(encoding="utf-8")))


def anchor_of(name: str) -> str:
    """Of a term on the page: max slots -> max-slots."""
    return slugify(name)


def _read(text: str) -> Iterator[Section]:
    for part in text.split("\n## ")[1:]:
        title, _, body = part.partition("\n")
        rows = [line.strip("|").split(" | ", 1) for line in body.splitlines() if line.startswith("| **")]
        yield Section(title.strip(), tuple(_entry(terms, meaning) for terms, meaning in rows))


def _entry(terms: str, meaning: str) -> Entry:
    names = tuple(_TERM.findall(terms))
    linked = format_html_join(
        ", ", '<b id="{}"><a href="#{}">{}</a></b>', ((anchor_of(each), anchor_of(each), each) for each in names)
    )
    beside = terms.rpartition("**")[2].strip()
    return Entry(names, format_html("{} {}", linked, beside) if beside else linked, _inline(meaning.strip()))


def _inline(text: str) -> SafeString:
    """Bold, italics and code; of a link, which leads to another document, its words."""
    parts, at = [], 0
    for found in _INLINE.finditer(text):
        parts.append(escape(text[at : found.start()]))
        kind = found.lastgroup or ""
        if kind == "url":
            parts.append(escape(found["text"]))
        else:
            parts.append(format_html("<{}>{}</{}>", SafeString(kind), found[kind], SafeString(kind)))
        at = found.end()
    return SafeString("".join([*parts, escape(text[at:])]))
