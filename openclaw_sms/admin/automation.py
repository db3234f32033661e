"""Programs: the tokens they come in with, and the events they are told."""

from datetime import datetime
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.utils.safestring import SafeString
from django.views.decorators.cache import never_cache
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from openclaw_sms.access import tokens
from openclaw_sms.access.audit import Actor
from openclaw_sms.access.tokens import TokenError
from openclaw_sms.admin import decisions
from openclaw_sms.admin.components import RowForm, badge, operator, verbatim
from openclaw_sms.admin.decisions import DecidingAdmin, Decision, Outcome, Verdict
from openclaw_sms.messaging import event_delivery
from openclaw_sms.models import ApiToken, EventState, OutgoingEvent, Scope

TOKEN_TONES = {"live": "good", "expired": "quiet", "revoked": "quiet"}
EVENT_TONES = {
    EventState.PENDING: "busy",
    EventState.DELIVERED: "good",
    EventState.DEAD: "act",
    EventState.GONE: "act",
}


class TokenForm(RowForm[ApiToken]):
    scopes = forms.MultipleChoiceField(
        choices=Scope.choices, widget=UnfoldAdminCheckboxSelectMultipleWidget, help_text="What its holder may do."
    )

    class Meta:
        model = ApiToken
        fields = ("name", "scopes", "account", "expires_at")

    def clean_expires_at(self) -> datetime | None:
        at: datetime | None = self.cleaned_data["expires_at"]
        if at is not None and at <= timezone.now():
            raise forms.ValidationError("Choose a later time, or leave it empty: it does not expire then.")
        return at


@admin.register(ApiToken)
class ApiTokenAdmin(DecidingAdmin[ApiToken]):
    """A token is shown on the page that answers its making, and never again. Rows are never rewritten."""

    form = TokenForm
    list_display = ("name", "begins", "may", "account", "shown_state", "last_used_at", "created_by")
    list_filter = ("account",)
    list_select_related = ("account",)
    ordering = ("name",)
    search_fields = ("name", "prefix")
    search_help_text = "A name, or how a token begins"

    def get_fields(self, request: HttpRequest, obj: ApiToken | None = None) -> tuple[str, ...]:
        if obj is None:
            return ("name", "scopes", "account", "expires_at")
        seen = ("name", "begins", "may", "account", "shown_state", "created_at", "created_by")
        return (*seen, "expires_at", "last_used_at", "revoked_at")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("openclaw_sms.add_apitoken"))

    def save_model(self, request: HttpRequest, obj: ApiToken, form: forms.Form, change: bool) -> None:
        made = tokens.create(
            obj.name,
            form.cleaned_data["scopes"],
            actor=operator(request),
            now=timezone.now(),
            account_pk=obj.account_id,
            expires_at=obj.expires_at,
        )
        obj.pk = made.row.pk
        vars(obj)["plain"] = made.plain

    @method_decorator(never_cache)
    def response_add(self, request: HttpRequest, obj: ApiToken, post_url_continue: str | None = None) -> HttpResponse:
        """The one page that shows the token: an answer to the post, not a redirect, so that nothing keeps it."""
        context: dict[str, Any] = {
            **self.admin_site.each_context(request),
            "title": f"The token of {obj.name}",
            "plain": vars(obj)["plain"],
            "back": decisions.list_address(self),
        }
        return TemplateResponse(request, "admin/openclaw_sms/token_once.html", context)

    def verdicts(self) -> dict[str, Verdict[ApiToken]]:
        return {"revoke": _revoke}

    def offered(self, row: ApiToken) -> list[Decision]:
        return [] if row.revoked_at else [decisions.decision("Revoke", row, "revoke")]

    @admin.display(description="begins with")
    def begins(self, row: ApiToken) -> str:
        return f"{row.prefix}…"

    @admin.display(description="may")
    def may(self, row: ApiToken) -> str:
        return ", ".join(row.scopes)

    @admin.display(description="state")
    def shown_state(self, row: ApiToken) -> SafeString:
        state = tokens.state(row, now=timezone.now())
        return badge(state, TOKEN_TONES[state])


@admin.register(OutgoingEvent)
class OutgoingEventAdmin(DecidingAdmin[OutgoingEvent]):
    list_display = ("created_at", "type", "account", "shown_state", "attempts", "answer", "detail")
    list_filter = ("state", "type", "account", "created_at")
    list_select_related = ("account",)
    search_fields = ("event_id",)
    search_help_text = "A webhook-id"
    fields = (
        "event_id",
        "type",
        "account",
        "shown_state",
        "answer",
        "detail",
        "attempts",
        "next_attempt_at",
        "created_at",
        "finished_at",
        "told",
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[OutgoingEvent]:
        return super().get_queryset(request).select_related("account")

    def verdicts(self) -> dict[str, Verdict[OutgoingEvent]]:
        return {"send-again": _send_again}

    def offered(self, row: OutgoingEvent) -> list[Decision]:
        stopped = row.state in (EventState.DEAD, EventState.GONE)
        return [decisions.decision("Send again", row, "send-again", first=True)] if stopped else []

    @admin.display(description="state", ordering="state")
    def shown_state(self, row: OutgoingEvent) -> SafeString:
        state = EventState(row.state)
        return badge(str(state.label), EVENT_TONES[state])

    @admin.display(description="payload")
    def told(self, row: OutgoingEvent) -> SafeString:
        return verbatim(row.payload)


def _revoke(row: ApiToken, actor: Actor, now: datetime) -> Outcome:
    if not tokens.revoke(row, actor=actor, now=now):
        raise TokenError("revoked", "That token was revoked already.")
    return Outcome(f"The token of {row.name} is revoked: its next request is refused.")


def _send_again(event: OutgoingEvent, actor: Actor, now: datetime) -> Outcome:
    event_delivery.send_again(event, actor=actor, now=now)
    return Outcome("The event is on its way to the receiver.")
