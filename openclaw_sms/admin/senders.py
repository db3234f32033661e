"""What an operator decides about a person, not a text: opt out, bring back, take the flag down, hand over, erase.

Every change needs a reason or a tick, is posted with a CSRF token, and goes through `access` and `messaging`.
"""

import functools
from collections.abc import Callable, Mapping
from datetime import datetime

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.views.decorators.http import require_POST

from openclaw_sms.access import audit, opt_out
from openclaw_sms.admin.components import ReadOnlyAdmin, may_decide, operator
from openclaw_sms.messaging import dossier, erasure, flags
from openclaw_sms.messaging.erasure import NothingStored, StillBusy
from openclaw_sms.models import AuditEvent, Conversation, OptOut, OptOutSource
from openclaw_sms.text.phone import number_of

LONGEST_REASON = 200
HISTORY_SHOWN = 20


class NotSaid(ValueError):
    """Something the operator must give first. `str()` is their sentence."""


Act = Callable[[HttpRequest, Conversation, datetime], str]


class SenderDecisions(ReadOnlyAdmin[Conversation]):
    """The routes below a conversation that are about its sender."""

    def acts(self) -> Mapping[str, Act]:
        """What each route does, to the sentence that tells of it."""
        return {"opt-out": _opt_out, "bring-back": _bring_back, "clear-flag": _clear_flag, "erase": _erase}

    def get_urls(self) -> list[URLPattern]:
        views: dict[str, Callable[..., HttpResponse]] = {"hand-over": self._hand_over}
        for name, act in self.acts().items():
            views[name] = functools.partial(self._decide, act=act)
        routes: list[URLPattern] = [
            path(
                f"<int:pk>/{name}/",
                self.admin_site.admin_view(require_POST(view)),
                name=f"openclaw_sms_conversation_{name}",
            )
            for name, view in views.items()
        ]
        return routes + super().get_urls()

    def _decide(self, request: HttpRequest, pk: int, *, act: Act) -> HttpResponse:
        conversation = self._decidable(request, pk)
        try:
            messages.success(request, act(request, conversation, timezone.now()))
        except (NotSaid, NothingStored, StillBusy) as refused:
            messages.error(request, str(refused))
        return HttpResponseRedirect(reverse("admin:openclaw_sms_conversation_change", args=[conversation.pk]))

    def _hand_over(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Everything that is stored of the sender, as a file."""
        conversation = self._decidable(request, pk)
        known = dossier.of(conversation.account_id, conversation.sender)
        audit.record(
            "sender.exported",
            actor=operator(request),
            at=timezone.now(),
            account_id=conversation.account_id,
            subject=conversation.sender,
        )
        answer = JsonResponse(known, json_dumps_params={"indent": 2, "ensure_ascii": False})
        answer["Content-Disposition"] = f'attachment; filename="sender-{conversation.pk}.json"'
        return answer

    def _decidable(self, request: HttpRequest, pk: int) -> Conversation:
        if not may_decide(request, Conversation):
            raise PermissionDenied
        conversation = self.get_object(request, str(pk))
        if conversation is None:
            raise Http404("There is no such conversation.")
        return conversation


def standing(request: HttpRequest, conversation: Conversation) -> dict[str, object]:
    """What the thread's page shows of its sender."""
    row = OptOut.objects.filter(account_id=conversation.account_id, number=number_of(conversation.sender)).first()
    return {
        "opt_out": row if row is not None and row.out else None,
        "opt_out_history": history(conversation.account_id, conversation.sender),
        "may_erase": request.user.has_perm("openclaw_sms.delete_conversation"),
    }


def history(account_pk: int, number: str) -> list[dict[str, object]]:
    """The latest changes of an opt-out, as the console words them."""
    return [_in_words(event) for event in opt_out.history(account_pk, number)[:HISTORY_SHOWN]]


def _in_words(event: AuditEvent) -> dict[str, object]:
    what = "opted out" if event.action == opt_out.RECORDED else "brought back"
    source = event.detail.get("source", "")
    known = source in OptOutSource.values and source != OptOutSource.OPERATOR
    by = str(OptOutSource(source).label) if known else event.actor
    return {"at": event.at, "what": what, "by": by, "reason": event.detail.get("reason", "")}


def reason_given(request: HttpRequest) -> str:
    """Raises `NotSaid`."""
    reason = " ".join(request.POST.get("reason", "").split())[:LONGEST_REASON]
    if not reason:
        raise NotSaid("Nothing was changed: say why, for the audit trail.")
    return reason


def bring_back(request: HttpRequest, account_pk: int, number: str, now: datetime) -> str:
    """Raises `NotSaid`, also when somebody else was faster."""
    reason = reason_given(request)
    if not opt_out.restore(
        account_pk, number, source=OptOutSource.OPERATOR, at=now, actor=operator(request), reason=reason
    ):
        raise NotSaid(f"{number} is not opted out.")
    return f"{number} may be texted again. If Twilio still refuses, they have to text START themselves."


def _bring_back(request: HttpRequest, conversation: Conversation, now: datetime) -> str:
    return bring_back(request, conversation.account_id, conversation.sender, now)


def _opt_out(request: HttpRequest, conversation: Conversation, now: datetime) -> str:
    reason, actor = reason_given(request), operator(request)
    to = conversation.sender
    if not opt_out.suppress(
        conversation.account_id, to, source=OptOutSource.OPERATOR, at=now, actor=actor, reason=reason
    ):
        raise NotSaid(f"{to} has already opted out.")
    flags.clear(conversation, actor=actor, now=now)
    return f"{to} is opted out: this account texts them no more, and what was waiting is cancelled."


def _clear_flag(request: HttpRequest, conversation: Conversation, now: datetime) -> str:
    if not flags.clear(conversation, actor=operator(request), now=now):
        raise NotSaid("There is no flag any more.")
    return "The flag is cleared. They are texted and answered as before."


def _erase(request: HttpRequest, conversation: Conversation, now: datetime) -> str:
    if not request.user.has_perm("openclaw_sms.delete_conversation"):
        raise PermissionDenied
    if request.POST.get("sure") != "yes":
        raise NotSaid("Nothing was erased: tick the box first.")
    erased = erasure.sender(conversation.account_id, conversation.sender, actor=operator(request), now=now)
    return f"Erased: {erased.received} texts received, {erased.sent} sent, and the number itself."
