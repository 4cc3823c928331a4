"""The page of the past in the admin."""

from history.admin import coverage

__all__ = ["coverage"]
