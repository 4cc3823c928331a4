"""What axe-core finds wrong on a page: contrast, labels, roles, order of headings. See README.md beside it."""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.support.pages.chromium import Browser

SCRIPT = Path(__file__).with_name("axe.min.js")
SERIOUS = ("serious", "critical")
# What WCAG 2.0 and 2.1 ask for at the levels A and AA.
_RUN = """axe.run(document, {runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"], resultTypes: ["violations"]})
    .then((found) => found.violations.flatMap((rule) => rule.nodes.map((node) => [
        rule.id, rule.impact, node.target.flat().join(" "), node.html.slice(0, 160), node.failureSummary])))"""


@dataclass(frozen=True)
class Violation:
    """One element that breaks a rule."""

    rule: str
    impact: str
    element: str  # a CSS selector
    html: str
    advice: str

    def __str__(self) -> str:
        advice = " ".join(self.advice.split())
        return f"{self.rule} ({self.impact}): {self.element} {self.html} {advice}"


@cache
def _source() -> str:
    return SCRIPT.read_text()


def violations(browser: Browser) -> list[Violation]:
    """Serious and critical ones on the page that is open."""
    if not browser.evaluate("Boolean(window.axe)"):
        # As a value, which the page's own names cannot disturb.
        browser.evaluate(f"(0, eval)({json.dumps(_source())}), true")
    return [found for each in browser.evaluate(_RUN) if (found := Violation(*each)).impact in SERIOUS]
