"""An address that asks for a number which no database takes, such as ?id__in=99999999999999999999."""

from collections.abc import Callable

from django.db import DataError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect


class OutOfRange:
    """Middleware: the list without its filters, as Django's admin answers any other filter that it can't read."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        # SQLite says the first, PostgreSQL the second.
        is_ours = isinstance(exception, OverflowError | DataError)
        if request.method == "GET" and is_ours and request.GET and "e" not in request.GET:
            return HttpResponseRedirect(f"{request.path}?e=1")
        return None
