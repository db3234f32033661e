"""Deciding who may talk, through the API: as the command does it, once, and on the record."""

from datetime import timedelta

import pytest
from django.utils import timezone

from openclaw_sms.config import accounts
from openclaw_sms.config.accounts import Account
from openclaw_sms.models import AllowedSender, AuditEvent, OutboundMessage, PairingRequest
from tests.support import cast
from tests.web.api.conftest import Enter

pytestmark = pytest.mark.django_db


@pytest.fixture
def bob(account: Account) -> PairingRequest:
    return ask(account, cast.BOB, "ABCD2345")


def ask(account: Account, sender: str, code: str) -> PairingRequest:
    now = timezone.now()
    return PairingRequest.objects.create(
        account_id=account.pk,
        sender=sender,
        code=code,
        created_at=now,
        last_seen_at=now,
        expires_at=now + timedelta(hours=1),
    )


class TestPairing:
    def test_lists_who_waits_with_the_code(self, program: Enter, bob: PairingRequest) -> None:
        [item] = program("pair").get("pairing").body["items"]
        assert (item["code"], item["sender"], item["account"]) == ("ABCD2345", cast.BOB, "default")

    def test_approves_once_and_says_who_did(self, program: Enter, bob: PairingRequest) -> None:
        owner = program("pair", name="owner-bot")
        told = owner.post("pairing/approve", {"code": "abcd2345"})
        again = owner.post("pairing/approve", {"code": "ABCD2345"})

        assert (told.status, told.body["sender"]) == (200, cast.BOB)
        assert (again.status, again.error["code"]) == (409, "pairing_decided")
        assert AllowedSender.objects.get().added_by == "api:owner-bot"
        assert AuditEvent.objects.filter(action="pairing.approved", actor="api:owner-bot").count() == 1

    def test_tells_the_sender_when_asked_to(self, program: Enter, bob: PairingRequest) -> None:
        program("pair").post("pairing/approve", {"code": bob.code, "notify": True})
        assert OutboundMessage.objects.get().conversation.sender == cast.BOB

    def test_dismisses(self, program: Enter, bob: PairingRequest) -> None:
        owner = program("pair")
        assert owner.post("pairing/dismiss", {"code": bob.code}).body["sender"] == cast.BOB
        assert owner.get("pairing").body["items"] == []
        assert AllowedSender.objects.count() == 0

    def test_knows_no_made_up_code(self, program: Enter, bob: PairingRequest) -> None:
        told = program("pair").post("pairing/approve", {"code": "ZZZZ2345"})
        assert (told.status, told.error["code"], told.error["field"]) == (404, "pairing_not_found", "code")


class TestAllowedSenders:
    def test_are_added_listed_and_removed_on_the_record(self, program: Enter, account: Account) -> None:
        owner = program("pair", name="owner-bot")
        added = owner.post("allowed-senders", {"number": "+1 555 000 2222", "note": "the bakery"})
        listed = owner.get("allowed-senders").body["items"]
        removed = owner.delete(f"allowed-senders/{added.body['id']}")

        assert (added.status, added.body["number"], added.body["source"]) == (201, cast.BOB, "api")
        assert listed == [added.body]
        assert (removed.status, removed.body) == (204, None)
        assert AllowedSender.objects.count() == 0
        events = AuditEvent.objects.filter(actor="api:owner-bot").order_by("id")
        assert list(events.values_list("action", "subject")) == [
            ("sender.added", cast.BOB),
            ("sender.removed", cast.BOB),
        ]

    def test_are_listed_once(self, program: Enter, account: Account) -> None:
        owner = program("pair")
        statuses = [owner.post("allowed-senders", {"number": cast.BOB}).status for _ in range(2)]
        assert statuses == [201, 409]

    @pytest.mark.parametrize("number", ["*", "12345", "", "sms:"])
    def test_are_numbers(self, program: Enter, account: Account, number: str) -> None:
        assert program("pair").post("allowed-senders", {"number": number}).status == 400
        assert AllowedSender.objects.count() == 0

    def test_may_talk_from_then_on(self, program: Enter, account: Account) -> None:
        program("pair").post("allowed-senders", {"number": cast.BOB})
        known = accounts.load().by_pk(account.pk)
        assert known is not None
        assert cast.BOB in known.allow_from
