"""Users and groups, with Unfold's forms. Nobody gives, or gets by another's login, what he may not do himself."""

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as BaseGroupAdmin
from django.contrib.auth.admin import UserAdmin as BaseUserAdmin
from django.contrib.auth.models import Group, Permission, User
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from console.admin.base import PlainHistory

admin.site.unregister(User)
admin.site.unregister(Group)


def permissions_of(user: Any) -> QuerySet[Permission]:
    """All that a user may do, or could again once he is active; a superuser's are all there are."""
    every = Permission.objects.all()
    return every if user.is_superuser else every.filter(Q(user=user) | Q(group__user=user)).distinct()


def beyond(request: HttpRequest) -> QuerySet[Permission]:
    """What whoever asks may not do."""
    return Permission.objects.exclude(pk__in=permissions_of(request.user).values("pk"))


class WithinOwnRights(PlainHistory):
    """A person who is no superuser changes, and deletes, only who and what may do no more than he himself.

    Whoever could set another's password could log in as that one; who could fill a group he is in, or tick
    “superuser”, could make himself anything.
    """

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_change_permission(request, obj) and self._is_within(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        # Without a row it is asked for the action on many, whoever they are.
        is_meant = obj is not None or request.user.is_superuser
        return is_meant and super().has_delete_permission(request, obj) and self._is_within(request, obj)

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        field = super().formfield_for_manytomany(db_field, request, **kwargs)
        if field is not None and not request.user.is_superuser:
            is_group = db_field.related_model is Group
            outside = Q(permissions__in=beyond(request)) if is_group else Q(pk__in=beyond(request))
            field.queryset = field.queryset.exclude(
                pk__in=db_field.related_model.objects.filter(outside).values("pk")
            )
        return field

    def _is_within(self, request: HttpRequest, obj: Any) -> bool:
        if obj is None or request.user.is_superuser:
            return True
        return not self.rights(obj).filter(pk__in=beyond(request)).exists()

    def rights(self, obj: Any) -> QuerySet[Permission]:
        raise NotImplementedError


@admin.register(User)
class UserAdmin(BaseUserAdmin, WithinOwnRights):
    # The two lists of groups and permissions need all the width.
    compressed_fields = False
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm

    def rights(self, obj: User) -> QuerySet[Permission]:
        return permissions_of(obj)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        # Also where no permission is beyond anybody's.
        is_above = obj is not None and obj.is_superuser and not request.user.is_superuser
        return not is_above and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        is_above = obj is not None and obj.is_superuser and not request.user.is_superuser
        return not is_above and super().has_delete_permission(request, obj)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        fields = super().get_readonly_fields(request, obj)
        return fields if request.user.is_superuser else (*fields, "is_superuser")


@admin.register(Group)
class GroupAdmin(BaseGroupAdmin, WithinOwnRights):
    compressed_fields = False

    def rights(self, obj: Group) -> QuerySet[Permission]:
        return obj.permissions.all()
