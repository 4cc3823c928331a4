"""Pages in the reader's time zone."""

import pytest
from django.test import Client
from django.urls import reverse

from console.viewer_zone import zone
from tests.console.admin.test_admin import words_of


@pytest.mark.parametrize(
    ("cookie", "name"),
    [("Europe/Berlin", "Europe/Berlin"), ("Asia/Kolkata", "Asia/Kolkata"), ("", "UTC"), ("../../etc/passwd", "UTC")],
)
def test_pages_are_in_the_zone_that_the_browser_names(admin_client: Client, cookie: str, name: str) -> None:
    admin_client.cookies["timezone"] = cookie
    page = admin_client.get(reverse("admin:trading_order_changelist")).content.decode()
    assert f"Times: {name}" in words_of(page)


def test_a_zone_that_there_is_not_is_utc() -> None:
    assert zone("Mars/Olympus").key == "UTC"
    assert zone("America/New_York").key == "America/New_York"
