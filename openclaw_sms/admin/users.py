"""Operators' logins and their groups, in the console's own look."""

from typing import TYPE_CHECKING

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group, User
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

if TYPE_CHECKING:
    ThemedUserAdmin = UserAdmin[User]
    ThemedGroupAdmin = GroupAdmin
else:
    from unfold.admin import ModelAdmin

    class ThemedUserAdmin(UserAdmin, ModelAdmin): ...

    class ThemedGroupAdmin(GroupAdmin, ModelAdmin): ...


admin.site.unregister(User)
admin.site.unregister(Group)


@admin.register(User)
class OperatorAdmin(ThemedUserAdmin):
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    actions = None


@admin.register(Group)
class OperatorGroupAdmin(ThemedGroupAdmin):
    actions = None
