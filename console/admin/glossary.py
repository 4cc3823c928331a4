"""The page of terms."""

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from console import glossary


def view(request: HttpRequest) -> HttpResponse:
    context = {**admin.site.each_context(request), "title": "Glossary", "sections": glossary.sections()}
    return TemplateResponse(request, "trading/glossary.html", context)
