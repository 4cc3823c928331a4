"""The pages that say that there is none, or that one may not see it: with a way back, and what to do."""

from typing import Any

from django.contrib import admin
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    words = (
        "Nothing has this address. An order, a trader or a symbol with this number may be of another database, or "
        "its page may have a new name: look for it in the menu, or search for it."
    )
    return _page(request, 404, "Page not found", words)


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    who = request.user.get_username() if request.user.is_authenticated else "This user"
    words = f"{who} does not have the permission for this. Ask whoever manages users here, or log in as another user."
    return _page(request, 403, "Not permitted", words)


def _page(request: HttpRequest, status: int, title: str, words: str) -> HttpResponse:
    if not request.user.is_authenticated:  # The admin's own frame is for those that it knows.
        bare = '<!DOCTYPE html><title>{0}</title><h1>{0}</h1><p>{1}</p><p><a href="{2}">Log in</a></p>'
        return HttpResponse(format_html(bare, title, words, reverse("admin:login")), status=status)
    try:
        context: dict[str, Any] = {**admin.site.each_context(request), "title": title, "words": words}
        return TemplateResponse(request, "trading/missing.html", context, status=status).render()
    except DatabaseError:
        return HttpResponse(f"{title}. {words}\n", status=status, content_type="text/plain")
