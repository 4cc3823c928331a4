"""The admin's login: it says how long to wait after many wrong passwords, and answers with 429 meanwhile.

Not in console/admin: the site asks for this form before it takes any page.
"""

from collections.abc import Callable
from typing import Any

from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from unfold.forms import AuthenticationForm

from hedgehog_project import tries
from trading.models import logins


class LoginForm(AuthenticationForm):
    """Unfold's, for UNFOLD["LOGIN"]["form"]."""

    wait_s = 0.0

    def clean(self) -> dict[str, Any]:
        name = self.cleaned_data.get("username")
        self.wait_s = logins.wait_s(name, logins.client_address(self.request)) if name else 0.0
        if self.wait_s:
            raise ValidationError(tries.in_words(self.wait_s), code="throttled")
        cleaned: dict[str, Any] = super().clean()
        return cleaned


def says_when_to_wait(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Middleware: the page of a form that was not looked at is a 429, for programs that guess."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        form = (getattr(response, "context_data", None) or {}).get("form")
        if isinstance(form, LoginForm) and form.wait_s:
            response.status_code = 429
            response["Retry-After"] = str(int(form.wait_s) + 1)
        return response

    return middleware
