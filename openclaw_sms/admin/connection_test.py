"""The test button: ask Twilio whether what is stored for an account works, and say so in words.

The answer goes to the page that asked, which stays as it is, or, without JavaScript, to the next page.
"""

from collections.abc import Mapping

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone

from openclaw_sms.access import audit
from openclaw_sms.admin.components import may_decide, operator, settings_in_effect
from openclaw_sms.config.accounts import Account
from openclaw_sms.models import SmsAccount
from openclaw_sms.twilio.client import InsecureApiBase
from openclaw_sms.twilio.inspection import Answer, Subject, Verdict, inspect

LEVELS: Mapping[Verdict, int] = {Verdict.OK: messages.SUCCESS, Verdict.NO_ANSWER: messages.WARNING}
TONES: Mapping[Verdict, str] = {Verdict.OK: "good", Verdict.NO_ANSWER: "act"}


def answer(request: HttpRequest, pk: int) -> HttpResponse:
    """For a POST by somebody who may change accounts."""
    if not may_decide(request, SmsAccount):
        raise PermissionDenied
    row = get_object_or_404(SmsAccount.objects.only("account_id"), pk=pk)
    found = _asked(pk)
    audit.record(
        "account.tested",
        actor=operator(request),
        at=timezone.now(),
        account_id=pk,
        subject=row.account_id,
        verdicts=[one.verdict.value for one in found],
    )
    if request.accepts("application/json") and not request.accepts("text/html"):
        return JsonResponse({"answers": [{"tone": _tone(one), "words": one.sentence} for one in found]})
    for one in found:
        messages.add_message(request, LEVELS.get(one.verdict, messages.ERROR), one.sentence)
    return HttpResponseRedirect(reverse("admin:openclaw_sms_smsaccount_change", args=[pk]))


def _asked(pk: int) -> list[Answer]:
    known, problem = settings_in_effect()
    account = known.by_pk(pk)
    if account is None:
        return [Answer(Verdict.NOT_FIT, problem or "The account is not in use: nothing is set for it.")]
    if account.unavailable:
        return [Answer(Verdict.NOT_FIT, account.unavailable)]
    if not account.configured:
        return [Answer(Verdict.NOT_FIT, "The account is not complete: save its Account SID, auth token and sender.")]
    try:
        return inspect(_subject(account), settings.TWILIO_API_BASE_URL)
    except InsecureApiBase as error:
        return [Answer(Verdict.NOT_FIT, str(error))]


def _subject(account: Account) -> Subject:
    return Subject(
        account.credentials,
        from_number=account.from_number,
        messaging_service_sid="" if account.from_number else account.messaging_service_sid,
    )


def _tone(one: Answer) -> str:
    return TONES.get(one.verdict, "bad")
