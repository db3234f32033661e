"""Who may talk: pairing requests to decide, the list of allowed senders, and the trail of who decided what."""

from datetime import datetime

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.views.main import ChangeList
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timesince import timesince, timeuntil
from django.utils.timezone import localtime

from openclaw_sms.access import opt_out, pairing, senders
from openclaw_sms.access.audit import Actor
from openclaw_sms.admin import decisions
from openclaw_sms.admin.components import (
    ConsoleAdmin,
    ReadOnlyAdmin,
    RowForm,
    as_number,
    badge,
    may_decide,
    operator,
    snippet,
    verbatim,
)
from openclaw_sms.admin.decisions import DecidingAdmin, Decision, Outcome, Verdict
from openclaw_sms.admin.thread import would_be_answered
from openclaw_sms.messaging import admission
from openclaw_sms.models import AllowedSender, AuditEvent, PairingRequest, PairingState, SenderSource

TONES = {PairingState.PENDING: "act", PairingState.APPROVED: "good"}
ANY_STATE = "any"


class RequestState(admin.SimpleListFilter):
    """Those that wait, unless the operator asks for others."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: "admin.ModelAdmin[PairingRequest]") -> list[tuple[str, str]]:
        return [*((str(value), str(label)) for value, label in PairingState.choices), (ANY_STATE, "any")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[PairingRequest]) -> QuerySet[PairingRequest]:
        return queryset if self._wanted == ANY_STATE else queryset.filter(state=self._wanted)

    def choices(self, changelist: ChangeList) -> object:  # type: ignore[override]
        for value, label in self.lookup_choices:
            yield {
                "selected": self._wanted == value,
                "query_string": changelist.get_query_string({self.parameter_name: value}),
                "display": label,
            }

    @property
    def _wanted(self) -> str:
        return self.value() or PairingState.PENDING


@admin.register(PairingRequest)
class PairingRequestAdmin(DecidingAdmin[PairingRequest]):
    list_display = ("code", "sender", "account", "said", "waiting_since", "expires", "shown_state")
    list_filter = (RequestState, "account")
    list_select_related = ("account", "first_text")
    ordering = ("-created_at", "-id")
    search_fields = ("code", "sender")
    search_help_text = "A whole number or a code"
    fields = (
        "code",
        "shown_state",
        "sender",
        "account",
        "first_words",
        "created_at",
        "last_seen_at",
        "expires_at",
        "decided_at",
        "decided_by",
    )
    readonly_fields = ("shown_state", "first_words")

    def get_queryset(self, request: HttpRequest) -> QuerySet[PairingRequest]:
        return super().get_queryset(request).select_related("account", "first_text").defer("first_text__form")

    def get_list_display(self, request: HttpRequest) -> tuple[str, ...]:
        return (*self.list_display, "decide") if may_decide(request, PairingRequest) else self.list_display

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, object] | None = None) -> HttpResponse:
        pairing.expire(timezone.now())
        return super().changelist_view(request, extra_context)

    def verdicts(self) -> dict[str, Verdict[PairingRequest]]:
        return {"approve": _approve, "approve-and-notify": _approve_and_notify, "dismiss": _dismiss}

    def offered(self, row: PairingRequest) -> list[Decision]:
        if row.state != PairingState.APPROVED:
            return decisions.on_request(row)
        return decisions.on_text(
            row.first_text,
            admitted=would_be_answered(row.account_id, row.sender),
            label="Answer their first text now",
        )

    @admin.display(description="first text")
    def said(self, row: PairingRequest) -> str:
        return snippet(row.first_text.body) if row.first_text else ""

    @admin.display(description="first text")
    def first_words(self, row: PairingRequest) -> SafeString | str:
        return verbatim(row.first_text.body) if row.first_text else "It is no longer stored."

    @admin.display(description="waiting since", ordering="created_at")
    def waiting_since(self, row: PairingRequest) -> SafeString:
        return _moment(row.created_at, f"{timesince(row.created_at)} ago")

    @admin.display(description="expires", ordering="expires_at")
    def expires(self, row: PairingRequest) -> SafeString:
        over = row.expires_at <= timezone.now()
        return _moment(row.expires_at, "over" if over else f"in {timeuntil(row.expires_at)}")

    @admin.display(description="state", ordering="state")
    def shown_state(self, row: PairingRequest) -> SafeString:
        state = PairingState(row.state)
        return badge(str(state.label), TONES.get(state, "quiet"))

    @admin.display(description="decide")
    def decide(self, row: PairingRequest) -> SafeString:
        return decisions.buttons(decisions.on_request(row, notify=False), back=decisions.list_address(self))


def _moment(at: datetime, words: str) -> SafeString:
    return format_html('<span title="{}">{}</span>', localtime(at).strftime("%Y-%m-%d %H:%M:%S"), words)


def _approve(request: PairingRequest, actor: Actor, now: datetime, *, notify: bool = False) -> Outcome:
    admitted = admission.approve(request.code, actor=actor, now=now, account_pk=request.account_id, notify=notify)
    told = " and is told so" if notify and not admitted.warning else ""
    return Outcome(f"{admitted.sender.number} may talk from now on{told}.", admitted.warning)


def _approve_and_notify(request: PairingRequest, actor: Actor, now: datetime) -> Outcome:
    return _approve(request, actor, now, notify=True)


def _dismiss(request: PairingRequest, actor: Actor, now: datetime) -> Outcome:
    pairing.dismiss(request.code, actor=actor, now=now, account_pk=request.account_id)
    return Outcome(f"The request of {request.sender} is dismissed. They are not blocked: their next text asks anew.")


class AllowedSenderForm(RowForm[AllowedSender]):
    class Meta:
        model = AllowedSender
        fields = ("account", "number", "note")

    def clean_number(self) -> str:
        """`*` is refused: only configuration may let everybody in."""
        return as_number(self.cleaned_data["number"])

    def clean(self) -> dict[str, object]:
        found = super().clean() or self.cleaned_data
        account, number = found.get("account"), found.get("number")
        listed = AllowedSender.objects.filter(account=account, number=number, source=SenderSource.CONSOLE)
        if number and account and listed.exists():
            raise forms.ValidationError({"number": "This number is already on that account's list."})
        return found


@admin.register(AllowedSender)
class AllowedSenderAdmin(ConsoleAdmin[AllowedSender]):
    """Numbers are added and removed, never rewritten; what configuration lists is a setting of the account."""

    form = AllowedSenderForm
    list_display = ("number", "account", "source", "note", "added_by", "added_at")
    list_filter = ("account", "source")
    list_select_related = ("account",)
    search_fields = ("number",)
    search_help_text = "A whole number"

    def get_fields(self, request: HttpRequest, obj: AllowedSender | None = None) -> tuple[str, ...]:
        added = ("account", "number", "note")
        return added if obj is None else (*added, "source", "added_by", "added_at")

    def has_change_permission(self, request: HttpRequest, obj: AllowedSender | None = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: AllowedSender, form: forms.Form, change: bool) -> None:
        obj.source = SenderSource.CONSOLE
        senders.add(obj, actor=operator(request), now=timezone.now())
        if opt_out.is_out(obj.account_id, obj.number):
            messages.warning(request, f"{obj.number} has opted out: they are not texted until they text START.")

    def delete_model(self, request: HttpRequest, obj: AllowedSender) -> None:
        senders.remove(obj, actor=operator(request), now=timezone.now())


@admin.register(AuditEvent)
class AuditEventAdmin(ReadOnlyAdmin[AuditEvent]):
    list_display = ("at", "actor", "action", "account", "subject", "particulars")
    list_filter = ("action", "account", "at")
    list_select_related = ("account",)
    search_fields = ("subject", "actor")
    search_help_text = "A whole number, or who did it, for example console:alice"
    fields = ("at", "actor", "action", "account", "subject", "detail")

    @admin.display(description="particulars")
    def particulars(self, row: AuditEvent) -> str:
        return "; ".join(f"{name}: {_listed(value)}" for name, value in row.detail.items())


def _listed(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
