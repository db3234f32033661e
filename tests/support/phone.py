"""A pretend phone inside the test's own process: real forms, real signatures, the real view, the real worker."""

import uuid
from dataclasses import dataclass
from urllib.parse import urlencode

from django.http import HttpResponse
from django.test import Client
from django.utils import timezone
from twilio.request_validator import RequestValidator

from openclaw_sms.config.accounts import Account
from openclaw_sms.messaging import notices, worker
from openclaw_sms.models import Conversation, InboundMessage, OutboundMessage
from tests.support import cast
from tests.support.pretend_twilio import PretendTwilio


@dataclass(frozen=True, slots=True)
class Phone:
    number: str
    account: Account

    def texts(self, body: str, **fields: str) -> InboundMessage:
        """Text the gateway and let the worker work until nothing is due. Returns the stored text."""
        sid = fields.setdefault("MessageSid", new_sid())
        answer = self.posts(body, **fields)
        assert answer.status_code == 200, answer.content
        work()
        return InboundMessage.objects.get(sid=sid)

    def sends(
        self, twilio: PretendTwilio, *files: tuple[bytes, str], body: str = "", **fields: str
    ) -> InboundMessage:
        """Text files, each with what the phone says it is; Twilio keeps them for the gateway to fetch."""
        return self.texts(body, **mms(twilio, *files), **fields)

    def posts(self, body: str, *, token: str = cast.AUTH_TOKEN, **fields: str) -> HttpResponse:
        """The signed post alone, as Twilio sends it."""
        form = {
            "MessageSid": new_sid(),
            "AccountSid": cast.ACCOUNT_SID,
            "From": self.number,
            "To": cast.OUR_NUMBER,
            "Body": body,
            "NumMedia": "0",
            **fields,
        }
        return post(form, RequestValidator(token).compute_signature(cast.PUBLIC_URL, form))

    def heard(self) -> list[str]:
        """What was put into the outbox for this phone, oldest first."""
        messages = OutboundMessage.objects.filter(
            conversation__sender=self.number, conversation__account_id=self.account.pk
        )
        return list(messages.order_by("id").values_list("text", flat=True))


def mms(twilio: PretendTwilio, *files: tuple[bytes, str]) -> dict[str, str]:
    """The fields of a form that speak of files."""
    sid = f"MM{uuid.uuid4().hex}"
    fields = {"MessageSid": sid, "NumMedia": str(len(files))}
    for number, (data, content_type) in enumerate(files):
        fields[f"MediaUrl{number}"] = twilio.holds(sid, data, content_type).url
        fields[f"MediaContentType{number}"] = content_type
    return fields


def post(form: dict[str, str], signature: str) -> HttpResponse:
    answer = Client().post(
        cast.WEBHOOK_PATH,
        urlencode(form),
        content_type="application/x-www-form-urlencoded",
        headers={"X-Twilio-Signature": signature},
    )
    assert isinstance(answer, HttpResponse)
    return answer


def work() -> None:
    """What the worker threads would do now, in this thread."""
    for text in InboundMessage.objects.order_by("id"):
        worker.answer(text.pk)
    notices.send_due(timezone.now())
    for conversation in Conversation.objects.order_by("id"):
        worker.send(conversation.pk)


def new_sid() -> str:
    return f"SM{uuid.uuid4().hex}"
