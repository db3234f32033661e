"""Texts received and sent, and their parts, as the database has them: to look something up, not to talk."""

from datetime import datetime

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from openclaw_sms.access.audit import Actor
from openclaw_sms.admin import decisions, thread
from openclaw_sms.admin.components import ReadOnlyAdmin, badge, may_decide, operator, snippet, verbatim
from openclaw_sms.admin.decisions import DecidingAdmin, Decision, Outcome, Verdict
from openclaw_sms.admin.help import help_link
from openclaw_sms.messaging.decisions import answer_now, is_undelivered, mark_sent, send_again
from openclaw_sms.models import (
    InboundMessage,
    InboundState,
    OutboundMessage,
    OutboundPart,
)

NEED_THE_OPERATOR = (InboundState.PARKED, InboundState.THROTTLED)
NUMBER_OR_SID = "A whole number or a MessageSid"


@admin.register(InboundMessage)
class InboundMessageAdmin(DecidingAdmin[InboundMessage]):
    list_display = ("received_at", "sender", "account", "words", "shown_state", "why")
    list_filter = ("state", "account", "received_at")
    list_select_related = ("account",)
    search_fields = ("sid", "sender")
    search_help_text = NUMBER_OR_SID
    fields = (
        "sender",
        "account",
        "sid",
        "body_as_it_came",
        "shown_state",
        "why",
        "fix",
        "attempts",
        "failures",
        "crashes",
        "next_attempt_at",
        "backfilled",
        "answer_asked_at",
        "received_at",
        "finished_at",
        "raw_form",
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[InboundMessage]:
        return super().get_queryset(request).select_related("account").defer("form")

    def get_list_display(self, request: HttpRequest) -> tuple[str, ...]:
        return (*self.list_display, "decide") if may_decide(request, InboundMessage) else self.list_display

    def verdicts(self) -> dict[str, Verdict[InboundMessage]]:
        return {"answer": _answer}

    def offered(self, row: InboundMessage) -> list[Decision]:
        return decisions.on_text(row, admitted=thread.would_be_answered(row.account_id, row.sender))

    @admin.display(description="text")
    def words(self, row: InboundMessage) -> str:
        return snippet(row.body)

    @admin.display(description="text")
    def body_as_it_came(self, row: InboundMessage) -> SafeString:
        return verbatim(row.body)

    @admin.display(description="state", ordering="state")
    def shown_state(self, row: InboundMessage) -> SafeString:
        state = InboundState(row.state)
        return badge(str(state.label), thread.INBOUND_TONES.get(state, "quiet"))

    @admin.display(description="reason")
    def why(self, row: InboundMessage) -> str:
        return thread.reason_of(row)

    @admin.display(description="what to do")
    def fix(self, row: InboundMessage) -> SafeString:
        return format_html("{} {}", thread.fix_of(row), help_link(row.reason))

    @admin.display(description="decide")
    def decide(self, row: InboundMessage) -> SafeString:
        """For what needs the operator; other texts can be answered on their own pages."""
        offered = decisions.on_text(row, admitted=row.state in NEED_THE_OPERATOR)
        return decisions.buttons(offered, back=f"{decisions.list_address(self)}?state__exact={row.state}")

    @admin.display(description="raw form")
    def raw_form(self, row: InboundMessage) -> SafeString:
        return verbatim(bytes(row.form).decode(errors="replace"))


@admin.register(OutboundMessage)
class OutboundMessageAdmin(ReadOnlyAdmin[OutboundMessage]):
    list_display = ("created_at", "recipient", "account", "kind", "author", "words", "shown_parts")
    list_filter = ("kind", ("parts__state", admin.ChoicesFieldListFilter), "conversation__account", "created_at")
    list_select_related = ("conversation__account",)
    search_fields = ("conversation__sender", "parts__sid")
    search_help_text = NUMBER_OR_SID
    search_finds_many_rows_per_match = True
    fields = ("recipient", "account", "kind", "author", "created_at", "whole_text", "answers", "parts_with_links")

    def get_queryset(self, request: HttpRequest) -> QuerySet[OutboundMessage]:
        messages = super().get_queryset(request).select_related("conversation__account", "in_reply_to")
        return messages.defer("in_reply_to__form").prefetch_related("parts")

    @admin.display(description="to", ordering="conversation__sender")
    def recipient(self, row: OutboundMessage) -> str:
        return row.conversation.sender

    @admin.display(description="account", ordering="conversation__account")
    def account(self, row: OutboundMessage) -> str:
        return row.conversation.account.account_id

    @admin.display(description="text")
    def words(self, row: OutboundMessage) -> str:
        return snippet(row.text)

    @admin.display(description="text")
    def whole_text(self, row: OutboundMessage) -> SafeString:
        return verbatim(row.text)

    @admin.display(description="parts")
    def shown_parts(self, row: OutboundMessage) -> SafeString:
        """The part that most needs a look stands for all."""
        parts = sorted(row.parts.all(), key=lambda part: part.number)
        if not parts:
            return badge("none")
        worst = next((part for part in parts if thread.tone_of(part) in ("act", "bad")), parts[-1])
        count = f", {len(parts)} parts" if len(parts) > 1 else ""
        return badge(f"{thread.status_of(worst)}{count}", thread.tone_of(worst))

    @admin.display(description="answers")
    def answers(self, row: OutboundMessage) -> SafeString | str:
        if row.in_reply_to is None:
            return ""
        page = reverse("admin:openclaw_sms_inboundmessage_change", args=[row.in_reply_to.pk])
        return format_html('<a class="sms-link" href="{}">{}</a>', page, row.in_reply_to.sid)

    @admin.display(description="parts")
    def parts_with_links(self, row: OutboundMessage) -> SafeString:
        page = reverse("admin:openclaw_sms_outboundpart_changelist")
        count = len(row.parts.all())
        link = '<a class="sms-link" href="{}?message__id__exact={}">{} of this text</a>'
        return format_html(link, page, row.pk, count)


@admin.register(OutboundPart)
class OutboundPartAdmin(DecidingAdmin[OutboundPart]):
    list_display = ("recipient", "account", "number", "words", "shown_state", "segments", "posted_at", "sid_or_none")
    list_filter = ("state", "delivery", "conversation__account", "posted_at")
    list_select_related = ("conversation__account",)
    ordering = ("-id",)
    search_fields = ("sid", "conversation__sender")
    search_help_text = NUMBER_OR_SID
    fields = (
        "recipient",
        "account",
        "number",
        "sid",
        "words_as_sent",
        "shown_state",
        "why",
        "fix",
        "error_code",
        "encoding",
        "segments",
        "attempts",
        "checks",
        "candidates",
        "next_attempt_at",
        "posted_at",
        "accepted_at",
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[OutboundPart]:
        return super().get_queryset(request).select_related("conversation__account")

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        return lookup == "message__id__exact" or super().lookup_allowed(lookup, value, request)  # type: ignore[arg-type]

    def verdicts(self) -> dict[str, Verdict[OutboundPart]]:
        return {"send-again": _send_again, "mark-sent": _mark_sent}

    def offered(self, row: OutboundPart) -> list[Decision]:
        return decisions.on_part(row)

    def decided(self, request: HttpRequest, row: OutboundPart, verdict: Verdict[OutboundPart]) -> Outcome:
        """Mark as sent may name the sid."""
        if verdict is not _mark_sent:
            return super().decided(request, row, verdict)
        return _mark_sent(row, operator(request), timezone.now(), sid=request.POST.get("sid", ""))

    @admin.display(description="MessageSid", ordering="sid")
    def sid_or_none(self, row: OutboundPart) -> str:
        return row.sid or "not yet"

    @admin.display(description="to", ordering="conversation__sender")
    def recipient(self, row: OutboundPart) -> str:
        return row.conversation.sender

    @admin.display(description="account", ordering="conversation__account")
    def account(self, row: OutboundPart) -> str:
        return row.conversation.account.account_id

    @admin.display(description="text")
    def words(self, row: OutboundPart) -> str:
        return snippet(row.body)

    @admin.display(description="text")
    def words_as_sent(self, row: OutboundPart) -> SafeString:
        return verbatim(row.body)

    @admin.display(description="state", ordering="state")
    def shown_state(self, row: OutboundPart) -> SafeString:
        return badge(thread.status_of(row), thread.tone_of(row))

    @admin.display(description="reason")
    def why(self, row: OutboundPart) -> str:
        return thread.failure_of(row)

    @admin.display(description="what to do")
    def fix(self, row: OutboundPart) -> SafeString:
        return format_html("{} {}", thread.fix_of(row), help_link(row.reason))


def _answer(text: InboundMessage, actor: Actor, now: datetime) -> Outcome:
    answer_now(text, actor=actor, now=now)
    return Outcome("The text is on its way to the agent.")


def _send_again(part: OutboundPart, actor: Actor, now: datetime) -> Outcome:
    anew = is_undelivered(part)
    send_again(part, actor=actor, now=now)
    if anew:
        return Outcome("The same words are in the outbox as a new text.")
    return Outcome("The part is in the outbox again, and the parts behind it follow.")


def _mark_sent(part: OutboundPart, actor: Actor, now: datetime, sid: str = "") -> Outcome:
    mark_sent(part, actor=actor, now=now, sid=sid)
    return Outcome("The part counts as sent, and the parts behind it follow.")
