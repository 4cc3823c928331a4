"""The forms of a page as a browser would send them: every field with what stands in it."""

from dataclasses import dataclass, field
from html.parser import HTMLParser


@dataclass
class Form:
    """One form. `values` has a list for each name, as django.test.Client posts it."""

    method: str
    action: str
    values: dict[str, list[str]] = field(default_factory=dict)

    def add(self, name: str | None, value: str) -> None:
        if name:
            self.values.setdefault(name, []).append(value)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self._open: Form | None = None
        self._by_id: dict[str, Form] = {}
        self._select: tuple[str | None, bool, list[str], list[str]] | None = None
        self._textarea: tuple[str | None, list[str]] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        has = dict(attrs)
        if tag == "form":
            self._open = Form((has.get("method") or "get").lower(), has.get("action") or "")
            self.forms.append(self._open)
            self._by_id[has.get("id") or ""] = self._open
        form = self._by_id.get(has["form"] or "") if "form" in has else self._open
        if form is None or "disabled" in has:
            return
        if tag == "input":
            kind = (has.get("type") or "text").lower()
            if kind in ("submit", "button", "image", "reset", "file"):
                return
            if kind not in ("checkbox", "radio"):
                form.add(has.get("name"), has.get("value") or "")
            elif "checked" in has:
                form.add(has.get("name"), has.get("value") or "on")
        elif tag == "select":
            self._select = (has.get("name"), "multiple" in has, [], [])
        elif tag == "option" and self._select:
            self._select[2].append(has.get("value") or "")
            if "selected" in has:
                self._select[3].append(has.get("value") or "")
        elif tag == "textarea":
            self._textarea = (has.get("name"), [])

    def handle_data(self, data: str) -> None:
        if self._textarea:
            self._textarea[1].append(data)

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._open = None
        elif tag == "select" and self._select and self._open:
            name, is_multiple, options, selected = self._select
            # A browser shows the first one where none is selected.
            for value in selected or ([] if is_multiple else options[:1]):
                self._open.add(name, value)
            self._select = None
        elif tag == "textarea" and self._textarea and self._open:
            self._open.add(self._textarea[0], "".join(self._textarea[1]).removeprefix("\n"))
            self._textarea = None


def forms_of(page: str) -> list[Form]:
    reader = _Reader()
    reader.feed(page)
    return reader.forms


def main_form(page: str) -> Form:
    """The form with the most fields: the one that the page is for."""
    return max(
        (form for form in forms_of(page) if form.method == "post"),
        key=lambda form: sum(map(len, form.values.values())),
    )
