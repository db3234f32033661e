"""Conversations: a list of people, and each as a thread with a box to reply by hand."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import PermissionDenied
from django.core.files.uploadedfile import UploadedFile
from django.db.models import Exists, F, OuterRef, Subquery, Value
from django.db.models.functions import Replace
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from django.views.decorators.http import require_POST, require_safe

from openclaw_sms.access.audit import Actor
from openclaw_sms.admin import decisions, hindrances, thread
from openclaw_sms.admin.components import (
    CompletedChangeList,
    badge,
    may_decide,
    operator,
    settings_in_effect,
    snippet,
)
from openclaw_sms.admin.senders import SenderDecisions, standing
from openclaw_sms.admin.thread import Position
from openclaw_sms.config.sources import ConfigurationError
from openclaw_sms.messaging import enclosures, manual
from openclaw_sms.messaging.enclosures import MOST_FILES, Enclosure
from openclaw_sms.messaging.gate import Withheld
from openclaw_sms.models import (
    UNSENT,
    WAITING,
    Conversation,
    InboundMessage,
    InboundState,
    MediaBytes,
    MediaState,
    OptOut,
    OutboundMessage,
    OutboundPart,
    PairingRequest,
    PairingState,
    PartState,
)
from openclaw_sms.text.media_types import EXTENSIONS, LARGEST_ADAPTED, SHOWN_INLINE
from openclaw_sms.text.phone import parse_sender, whatsapp

# Of the outer row's sender, as `number_of` has it: who is out is out on WhatsApp too.
_NUMBER = Replace(OuterRef("sender"), Value(whatsapp("")))
UNDECIDED = (PartState.FAILED, PartState.UNCERTAIN)
# Ten full parts: more than anybody types, and a bound on what one slip of the clipboard can cost.
LONGEST_REPLY = 16_000


class SeveralFiles(forms.ClearableFileInput):
    allow_multiple_selected = True


class FilesField(forms.FileField):
    """Any number of uploaded files; a list."""

    def clean(self, data: Any, initial: Any = None) -> "list[UploadedFile[Any]]":
        return [super(FilesField, self).clean(each) for each in data or ()]


class ReplyForm(forms.Form):
    """A text to send by hand, with files if there are any. `words` go out as they are typed."""

    words = forms.CharField(
        label="Reply",
        max_length=LONGEST_REPLY,
        required=False,
        widget=forms.Textarea(attrs={"rows": 3, "placeholder": "Reply by hand", "aria-label": "Reply by hand"}),
    )

    attached = FilesField(
        label="Attach pictures",
        required=False,
        widget=SeveralFiles(attrs={"multiple": True, "class": "sms-files"}),
    )

    def clean_words(self) -> str:
        """Browsers end lines with CRLF; phones count both characters."""
        return str(self.cleaned_data["words"]).replace("\r\n", "\n")

    def clean(self) -> dict[str, Any]:
        cleaned = {**(super().clean() or {})}
        if not self.errors and not (cleaned["words"].strip() or cleaned["attached"]):
            self.add_error("words", "There is nothing to send: type some words, or attach a picture.")
        return cleaned


@dataclass(frozen=True, slots=True)
class Glance:
    """What the list says of a conversation: its last text, and the one thing an operator should know of it."""

    last_text: str
    summary: str
    tone: str


@admin.register(Conversation)
class ConversationAdmin(SenderDecisions):
    list_display = ("sender", "account", "last_text", "last_activity_at", "summary")
    list_filter = ("account", "last_activity_at")
    list_select_related = ("account",)
    search_fields = ("sender",)
    search_help_text = "A whole number"

    def get_changelist(self, request: HttpRequest, **kwargs: object) -> type[ChangeList]:
        return CompletedChangeList

    def complete(self, rows: list[Conversation]) -> list[Conversation]:
        """Give every row of the page its glance, in one query."""
        glances = _glances([row.pk for row in rows])
        for row in rows:
            vars(row)["glance"] = glances[row.pk]
        return rows

    @admin.display(description="last text")
    def last_text(self, row: Conversation) -> str:
        return _glance(row).last_text

    @admin.display(description="state")
    def summary(self, row: Conversation) -> SafeString:
        return badge(_glance(row).summary, _glance(row).tone)

    def get_urls(self) -> list[URLPattern]:
        reply = self.admin_site.admin_view(require_POST(self.reply_view))
        media = self.admin_site.admin_view(require_safe(self.media_view))
        routes: list[URLPattern] = [
            path("<int:pk>/reply/", reply, name="openclaw_sms_conversation_reply"),
            path("media/<int:pk>/", media, name="openclaw_sms_conversation_media"),
        ]
        return routes + super().get_urls()

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, object] | None = None,
    ) -> HttpResponse:
        """The thread takes the place of Django's form."""
        return self._thread(request, self._found(request, object_id), ReplyForm())

    def reply_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Send a text by hand; what cannot be sent stays in the box, beside the reason."""
        if not may_decide(request, Conversation):
            raise PermissionDenied
        conversation = self._found(request, str(pk))
        form = ReplyForm(request.POST, request.FILES)
        if form.is_valid() and _submitted(form, conversation, operator(request)):
            messages.success(request, "Your text is in the outbox.")
            return HttpResponseRedirect(f"{_address(conversation)}#latest")
        return self._thread(request, conversation, form)

    def media_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """A file of a conversation: a picture to look at, anything else to save. No script in it ever runs here."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        kept = MediaBytes.objects.select_related("item").filter(item=pk, item__state=MediaState.KEPT).first()
        if kept is None:
            raise Http404("There is no such file.")
        item = kept.item
        response = HttpResponse(bytes(kept.data), content_type=item.content_type)
        shown = "inline" if item.content_type in SHOWN_INLINE else "attachment"
        name = f"{item.pk}.{EXTENSIONS.get(item.content_type, 'bin')}"
        response["Content-Disposition"] = f'{shown}; filename="{name}"'
        response["Content-Security-Policy"] = "default-src 'none'; sandbox"
        response["X-Content-Type-Options"] = "nosniff"
        response["Cache-Control"] = "private, no-store"
        return response

    def _found(self, request: HttpRequest, object_id: str) -> Conversation:
        conversation = self.get_object(request, object_id)
        if conversation is None:
            raise Http404("There is no such conversation.")
        if not self.has_view_permission(request, conversation):
            raise PermissionDenied
        return conversation

    def _thread(self, request: HttpRequest, conversation: Conversation, form: ReplyForm) -> HttpResponse:
        before = Position.parse(request.GET.get("before", ""))
        page = thread.read(
            conversation,
            before=before,
            may_answer=may_decide(request, InboundMessage),
            may_send=may_decide(request, OutboundPart),
        )
        waiting = _pending_request(conversation)
        may_let_in = may_decide(request, PairingRequest)
        context = {
            **self.admin_site.each_context(request),
            **standing(request, conversation),
            "opts": self.opts,
            "title": conversation.sender,
            "original": conversation,
            "subtitle": None,
            "conversation": conversation,
            "thread": page,
            "before": before,
            "hindrances": hindrances.of_conversation(conversation, timezone.now()),
            "request_waiting": waiting,
            "request_decisions": decisions.on_request(waiting) if waiting and may_let_in else [],
            "form": form,
            "may_reply": may_decide(request, Conversation),
            "can_be_texted": parse_sender(conversation.sender).is_person,
            "address": _address(conversation),
            # Where a decision comes back to: this page, or the thread when a refused reply is shown once more.
            "here": request.get_full_path() if request.method == "GET" else _address(conversation),
            "reply_address": reverse("admin:openclaw_sms_conversation_reply", args=[conversation.pk]),
        }
        return TemplateResponse(request, "admin/openclaw_sms/conversation/thread.html", context)


def _address(conversation: Conversation) -> str:
    return reverse("admin:openclaw_sms_conversation_change", args=[conversation.pk])


def _pending_request(conversation: Conversation) -> PairingRequest | None:
    asked = PairingRequest.objects.filter(account_id=conversation.account_id, sender=conversation.sender)
    return asked.filter(state=PairingState.PENDING, expires_at__gt=timezone.now()).first()


def _submitted(form: ReplyForm, conversation: Conversation, actor: Actor) -> bool:
    """Put the words into the outbox, as typed. What stands in the way becomes an error of the form."""
    known, problem = settings_in_effect()
    account = known.by_pk(conversation.account_id)
    if account is None:
        form.add_error("words", problem or "This account is not in use now.")
        return False
    if not parse_sender(conversation.sender).is_person:
        form.add_error("words", "Only phone numbers can be texted.")
        return False
    try:
        files = _enclosed(form.cleaned_data["attached"])
        draft = manual.draft(account, conversation.sender, form.cleaned_data["words"], plain=True, media=files)
        manual.submit(draft, author=actor.name, now=timezone.now())
    except (ConfigurationError, Withheld) as error:
        form.add_error("words", str(error))
        return False
    return True


def _enclosed(files: "Iterable[UploadedFile[Any]]") -> list[Enclosure]:
    """Uploaded files, judged by their bytes. Raises `UnsendableMedia`."""
    return [
        enclosures.from_bytes(
            file.read() if (file.size or 0) <= LARGEST_ADAPTED else b"", called="An attached file", size=file.size
        )
        for file in list(files)[: MOST_FILES + 1]
    ]


def _glance(row: Conversation) -> Glance:
    glance: Glance = vars(row)["glance"]
    return glance


def _glances(pks: list[int]) -> dict[int, Glance]:
    received = InboundMessage.objects.filter(account=OuterRef("account"), sender=OuterRef("sender"))
    last_received = received.order_by("-received_at", "-id")
    last_sent = OutboundMessage.objects.filter(conversation=OuterRef("pk")).order_by("-created_at", "-id")
    parts = OutboundPart.objects.filter(conversation=OuterRef("pk"))
    asked = PairingRequest.objects.filter(account=OuterRef("account"), sender=OuterRef("sender"))
    rows = Conversation.objects.filter(pk__in=pks).values(
        "pk",
        received_at=Subquery(last_received.values("received_at")[:1]),
        received=Subquery(last_received.values("body")[:1]),
        received_state=Subquery(last_received.values("state")[:1]),
        sent_at=Subquery(last_sent.values("created_at")[:1]),
        sent=Subquery(last_sent.values("text")[:1]),
        asked=Exists(asked.filter(state=PairingState.PENDING, expires_at__gt=timezone.now())),
        parked=Exists(received.filter(state=InboundState.PARKED, erased_at__isnull=True)),
        asked_to_stop=F("flag"),
        out=Exists(OptOut.objects.filter(account=OuterRef("account"), number=_NUMBER, out=True)),
        undecided=Exists(parts.filter(state__in=UNDECIDED, message__erased_at__isnull=True)),
        at_work=Exists(received.filter(state__in=WAITING)),
        sending=Exists(parts.filter(state__in=UNSENT)),
    )
    return {row["pk"]: Glance(_last_text(row), *_summary(row)) for row in rows}


def _last_text(row: Mapping[str, Any]) -> str:
    ours = row["sent_at"] is not None and (row["received_at"] is None or row["sent_at"] >= row["received_at"])
    words = snippet((row["sent"] if ours else row["received"]) or "")
    if not words and row["received_state"]:
        words = "(no words)"
    return f"→ {words}" if ours else words


def _summary(row: Mapping[str, Any]) -> tuple[str, str]:
    """The most pressing thing first."""
    if row["parked"] or row["undecided"]:
        return "needs a decision", "act"
    if row["asked_to_stop"]:
        return "asked to stop?", "act"
    if row["out"]:
        return "opted out", "quiet"
    if row["asked"]:
        return "waits for approval", "act"
    if row["at_work"]:
        return "being answered", "busy"
    if row["sending"]:
        return "being sent", "busy"
    if row["received_state"]:
        state = InboundState(row["received_state"])
        return str(state.label), "good" if state is InboundState.ANSWERED else "quiet"
    return "no text received", "quiet"
