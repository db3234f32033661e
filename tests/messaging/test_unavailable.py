"""An account whose secret cannot be had now rests; nothing of it fails."""

from dataclasses import replace

import pytest
from django.utils import timezone

from openclaw_sms.config import accounts
from openclaw_sms.config.accounts import Accounts
from openclaw_sms.models import Conversation, PartState
from tests.messaging.outgoing import only, send, write
from tests.support import cast
from tests.support.phone import Phone
from tests.support.pretend_twilio import PretendTwilio

pytestmark = pytest.mark.django_db


def test_its_texts_wait_and_go_out_when_it_is_back(
    alice: Phone, twilio: PretendTwilio, monkeypatch: pytest.MonkeyPatch
) -> None:
    conversation = Conversation.objects.create(account_id=alice.account.pk, sender=cast.ALICE)
    resting = replace(alice.account, unavailable="The auth token cannot be read.")
    with monkeypatch.context() as patch:
        patch.setattr(accounts, "current", lambda: Accounts({"default": resting}, {}))
        message = write(conversation, "hi")
        send(conversation, rounds=3)
        part = only(message)
        assert (part.state, part.attempts, part.detail) == (PartState.QUEUED, 0, "The auth token cannot be read.")
        assert part.next_attempt_at is not None
        assert part.next_attempt_at > timezone.now()
    send(conversation)
    assert twilio.messages == []
    type(part).objects.update(next_attempt_at=None)
    send(conversation)
    assert [message.body for message in twilio.messages] == ["hi"]
