"""What the console's pages have in common: the base of every admin, a search for whole numbers and sids, badges.

Nothing here changes a row, and no page built on it may: what an operator does goes through `access` and `messaging`.
"""

from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, TypeVar

from django.contrib.admin.views.main import ChangeList as DjangoChangeList
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import ImproperlyConfigured, PermissionDenied, ValidationError
from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import Truncator
from unfold.paginator import InfinitePaginator

from openclaw_sms.access.audit import Actor
from openclaw_sms.config import accounts
from openclaw_sms.config.accounts import Accounts
from openclaw_sms.config.sources import ConfigurationError
from openclaw_sms.text.phone import InvalidNumber, normalise_number

if TYPE_CHECKING:
    from django.contrib.admin import ModelAdmin
    from django.forms import ModelForm

    ThemedAdmin = ModelAdmin
    RowForm = ModelForm
else:
    from django.forms import ModelForm
    from unfold.admin import ModelAdmin

    class ThemedAdmin(ModelAdmin):
        """The theme's admin, which unlike Django's stubs names no row type."""

        def __class_getitem__(cls, row: object) -> type["ThemedAdmin"]:
            return cls

    class RowForm(ModelForm):
        """Django's form of a row, which unlike its stubs names no row type."""

        def __class_getitem__(cls, row: object) -> type["RowForm"]:
            return cls


Row = TypeVar("Row", bound=Model)

SNIPPET = 60


def as_number(entered: str) -> str:
    """Any spelling of a number, as E.164, for a form's `clean_number`. `*` is not a number."""
    try:
        return normalise_number(entered, region=accounts.default_region())
    except InvalidNumber as error:
        raise ValidationError(str(error)) from None


class CompletedChangeList(DjangoChangeList):
    """A list whose page of rows is completed in bulk, by the admin's `complete`: no row costs a query of its own."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.result_list = self.model_admin.complete(list(self.result_list))  # type: ignore[attr-defined]


class ConsoleAdmin(ThemedAdmin[Row]):
    """The base of all lists. The search finds exactly what is written: a number in any spelling, or a sid."""

    actions = None
    list_per_page = 50
    show_full_result_count = False
    search_finds_many_rows_per_match = False

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Row], search_term: str
    ) -> tuple[QuerySet[Row], bool]:
        if not search_term.strip():
            return queryset, False
        wanted = _as_stored(search_term)
        matches = reduce(or_, (Q(**{str(field): wanted}) for field in self.get_search_fields(request)))
        return queryset.filter(matches), self.search_finds_many_rows_per_match


class ReadOnlyAdmin(ConsoleAdmin[Row]):
    """Rows that only the gateway writes. Pages are not counted, so that a million rows are no slower than ten."""

    paginator = InfinitePaginator

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Row | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Row | None = None) -> bool:
        return False


def _as_stored(search_term: str) -> str:
    try:
        return normalise_number(search_term, region=accounts.default_region())
    except InvalidNumber:
        return search_term.strip()


def settings_in_effect() -> tuple[Accounts, str]:
    """The accounts as they are now, and "" or, when they cannot be known, the sentence that says why.

    The console must open while a setting is broken: it is where the operator mends it.
    """
    try:
        return accounts.load(), ""
    except (ConfigurationError, ImproperlyConfigured) as error:
        return Accounts({}, {}), str(error)


def operator(request: HttpRequest) -> Actor:
    """Whoever is logged in, as the audit trail knows them."""
    if isinstance(request.user, AnonymousUser):
        raise PermissionDenied
    return Actor.at_console(request.user)


def badge(words: str, tone: str = "quiet") -> SafeString:
    """A small label. `tone`: good, busy, act (a person must do something), bad or quiet."""
    return format_html('<span class="sms-badge sms-{}">{}</span>', tone, words)


def snippet(words: str) -> str:
    """The beginning of a text, on one line."""
    return Truncator(" ".join(words.split())).chars(SNIPPET)


def verbatim(words: str) -> SafeString:
    """A stored text as it is: escaped, with its own line breaks."""
    return format_html('<pre class="sms-verbatim">{}</pre>', words)


def may_decide(request: HttpRequest, model: type[Model]) -> bool:
    """Whether the operator may act on rows of `model`; seeing them is another permission."""
    return bool(request.user.has_perm(f"{model._meta.app_label}.change_{model._meta.model_name}"))
