"""Wrong passwords of the admin's login, by name and address: sixty in a row are not served."""

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.signals import user_logged_in, user_login_failed
from django.core.exceptions import PermissionDenied
from django.db import models
from django.db.models import F, Sum
from django.dispatch import receiver
from django.http import HttpRequest
from django.utils import timezone

from hedgehog_project import tries

# Names that one address may try out, before it waits whatever name it says next.
NAMES_TRIES = 4 * tries.FREE_TRIES
FORGOTTEN_AFTER = timedelta(days=1)


class WrongPasswords(models.Model):
    """Those in a row of one name from one address. Somebody else's, from elsewhere, do not lock the owner out."""

    name = models.CharField(max_length=150)
    address = models.CharField(max_length=64)
    failures = models.PositiveIntegerField(default=0)
    last_at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name_plural = "wrong passwords"
        default_permissions = ()  # No page shows them.
        constraints = [models.UniqueConstraint(fields=["name", "address"], name="one_row_per_name_and_address")]

    def __str__(self) -> str:
        return f"{self.failures} of {self.name} from {self.address}"


def client_address(request: HttpRequest) -> str:
    """Who is connected; with PROXIES web servers in front, whom the outermost of them has seen."""
    hops = [hop.strip() for hop in request.headers.get("X-Forwarded-For", "").split(",") if hop.strip()]
    if 0 < settings.PROXIES <= len(hops):
        return hops[-int(settings.PROXIES)][:64]
    return str(request.META.get("REMOTE_ADDR", ""))


def wait_s(name: str, address: str) -> float:
    """Seconds until a password for this name from this address is looked at."""
    since = timezone.now() - timedelta(seconds=tries.MAX_WAIT_S)
    rows = WrongPasswords.objects.filter(address=address)
    by_name = _waits(rows.filter(name=_key(name)).values_list("failures", "last_at").first())
    # Who tries a few passwords for each of many names is one and the same.
    all_names = rows.filter(last_at__gt=since).aggregate(failures=Sum("failures"), last=models.Max("last_at"))
    many = (all_names["failures"] or 0) - NAMES_TRIES + tries.FREE_TRIES
    return max(by_name, _waits((many, all_names["last"])) if all_names["last"] else 0.0)


def _waits(row: tuple[int, Any] | None) -> float:
    return tries.wait_s(row[0], (timezone.now() - row[1]).total_seconds()) if row else 0.0


def _key(name: str) -> str:
    return name.strip().lower()[:150]


class Backend(ModelBackend):
    """Django's own, which does not even look at a password while its name and address have to wait."""

    def authenticate(
        self, request: HttpRequest | None, username: str | None = None, password: str | None = None, **kwargs: Any
    ) -> Any:
        if request is not None and wait_s(username or "", client_address(request)):
            raise PermissionDenied
        return super().authenticate(request, username, password, **kwargs)


@receiver(user_login_failed)
def _count(credentials: dict[str, Any], request: HttpRequest | None = None, **_: Any) -> None:
    if request is None:
        return  # A command, or a test.
    name, address, now = _key(str(credentials.get("username") or "")), client_address(request), timezone.now()
    if wait_s(name, address):
        return  # It was not looked at.
    WrongPasswords.objects.filter(last_at__lt=now - FORGOTTEN_AFTER).delete()
    row, _is_new = WrongPasswords.objects.get_or_create(name=name, address=address)
    WrongPasswords.objects.filter(pk=row.pk).update(failures=F("failures") + 1, last_at=now)


@receiver(user_logged_in)
def _forgive(request: HttpRequest | None, user: Any, **_: Any) -> None:
    if request is not None:
        WrongPasswords.objects.filter(name=_key(user.get_username()), address=client_address(request)).delete()
