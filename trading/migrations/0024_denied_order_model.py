"""HeldBack is DeniedOrder. Django renames the table and the content type, but not the codenames of permissions."""

import django.db.models.deletion
from django.apps.registry import Apps
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

ACTIONS = ("add", "change", "delete", "view")


def rename_permissions(apps: Apps, alias: str, old: str, new: str, name: str) -> None:
    """Groups and users keep what they may. On an empty database there are no permissions yet: `migrate` makes them."""
    permissions = apps.get_model("auth", "Permission").objects.using(alias).filter(content_type__app_label="trading")
    for action in ACTIONS:
        renamed = permissions.filter(codename=f"{action}_{new}").first()
        for permission in permissions.filter(codename=f"{action}_{old}"):
            if renamed is None:
                permission.codename, permission.name = f"{action}_{new}", f"Can {action} {name}"
                permission.save(update_fields=["codename", "name"])
                renamed = permission
                continue
            # It is there already, as after a migration backward: whoever had the old one gets it.
            renamed.group_set.add(*permission.group_set.all())
            renamed.user_set.add(*permission.user_set.all())
            permission.delete()


def forward(apps: Apps, editor: BaseDatabaseSchemaEditor) -> None:
    rename_permissions(apps, editor.connection.alias, "heldback", "deniedorder", "denied order")


def backward(apps: Apps, editor: BaseDatabaseSchemaEditor) -> None:
    rename_permissions(apps, editor.connection.alias, "deniedorder", "heldback", "denied order")


class Migration(migrations.Migration):
    dependencies = [
        ("trading", "0023_missing_help_text"),
        ("auth", "0012_alter_user_first_name_max_length"),
    ]

    operations = [
        migrations.RenameModel("HeldBack", "DeniedOrder"),
        migrations.AlterField(
            "deniedorder",
            "symbol",
            models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="denied_orders", to="trading.symbol"
            ),
        ),
        migrations.RunPython(forward, backward),
    ]
