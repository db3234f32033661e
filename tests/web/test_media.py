"""Files of ours, as Twilio fetches them: who gets one, for how long, and what a browser may do with it."""

import re
import time
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from openclaw_sms.config import accounts
from openclaw_sms.messaging import hosting, outbox
from openclaw_sms.messaging.enclosures import Enclosure
from openclaw_sms.models import Conversation, MediaItem, OutboundKind, SmsAccount
from tests.support import cast
from tests.support.phone import Phone
from tests.support.pictures import PDF, png

pytestmark = pytest.mark.django_db


@pytest.fixture
def item(phone: Callable[[str], Phone]) -> MediaItem:
    return enclose(phone(cast.ALICE), Enclosure("image/png", png()))


def enclose(phone: Phone, enclosure: Enclosure) -> MediaItem:
    conversation, _ = Conversation.objects.get_or_create(account_id=phone.account.pk, sender=phone.number)
    message = outbox.write(
        conversation,
        "",
        kind=OutboundKind.MESSAGE,
        author="cli:anna",
        limit=100,
        now=timezone.now(),
        enclosures=[enclosure],
    )
    return message.parts.get().media.get()


def path_of(item: MediaItem) -> str:
    address = hosting.address_of(item, accounts.choose(None))
    return address.removeprefix("https://gateway.example.com")


def test_twilio_gets_the_file_and_its_type(item: MediaItem) -> None:
    answer = Client().get(path_of(item), headers={"host": "a host that nobody checks"})
    assert (answer.status_code, answer.content) == (200, png())
    assert answer["Content-Type"] == "image/png"
    assert answer["Content-Length"] == str(len(png()))
    assert answer["Cache-Control"] == "no-store"
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in answer["Content-Security-Policy"]
    assert not answer.cookies


def test_the_name_is_short_and_says_nothing(item: MediaItem) -> None:
    answer = Client().get(path_of(item))
    name = re.fullmatch(r'inline; filename="(mms-[0-9a-f]{10}\.png)"', answer["Content-Disposition"])
    assert name is not None
    assert len(name[1]) <= 20
    assert item.token.hex[:10] not in name[1]


def test_head_is_get_without_the_bytes(item: MediaItem) -> None:
    got, headed = Client().get(path_of(item)), Client().head(path_of(item))
    assert headed.content == b""
    assert dict(headed.headers) == dict(got.headers)


@pytest.mark.parametrize("method", ["post", "put", "delete", "patch", "options"])
def test_anything_else_is_refused_with_what_is_allowed(method: str, item: MediaItem) -> None:
    answer = getattr(Client(), method)(path_of(item))
    assert (answer.status_code, answer["Allow"]) == (405, "GET, HEAD")


def test_as_often_as_twilio_likes_for_ten_minutes(item: MediaItem, monkeypatch: pytest.MonkeyPatch) -> None:
    path = path_of(item)
    assert [Client().get(path).status_code for _ in range(3)] == [200] * 3
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + timedelta(minutes=9, seconds=58).total_seconds())
    assert Client().get(path).status_code == 200
    monkeypatch.setattr(time, "time", lambda: now + timedelta(minutes=10, seconds=2).total_seconds())
    assert Client().get(path).status_code == 404


@pytest.mark.parametrize("token", ["x", "../sms", "WzEsImFiYyJd.1abcde.AAAA", "a.b.c", "é", "." * 500, "x" * 5000])
def test_a_forged_address_is_not_found_and_reads_no_table(
    token: str, item: MediaItem, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    accounts.current()
    with django_assert_num_queries(0):
        answer = Client().get(f"{cast.WEBHOOK_PATH}/media/{token}")
    assert answer.status_code == 404


def test_each_bit_of_the_address_counts(item: MediaItem) -> None:
    path = path_of(item)
    for place in range(len(path) - 60, len(path) - 1):
        changed = path[:place] + ("A" if path[place] != "A" else "B") + path[place + 1 :]
        assert Client().get(changed).status_code == 404


def test_another_accounts_path_does_not_serve_it(item: MediaItem) -> None:
    SmsAccount.objects.create(
        account_id="other",
        account_sid="AC" + "2" * 32,
        auth_token="x",
        from_number="+15550007777",
        webhook_path="/hooks/other",
        public_webhook_url="https://gateway.example.com/hooks/other",
    )
    accounts.forget()
    elsewhere = path_of(item).replace(cast.WEBHOOK_PATH, "/hooks/other")
    assert Client().get(path_of(item)).status_code == 200
    assert Client().get(elsewhere).status_code == 404
    assert Client().get(path_of(item).replace(cast.WEBHOOK_PATH, "/nobody")).status_code == 404


def test_other_kinds_are_served_as_what_they_are(phone: Callable[[str], Phone]) -> None:
    answer = Client().get(path_of(enclose(phone(cast.ALICE), Enclosure("application/pdf", PDF))))
    assert (answer["Content-Type"], answer.content) == ("application/pdf", PDF)
    assert answer["Content-Disposition"].endswith('.pdf"')


def test_the_webhook_itself_is_where_it_was(phone: Callable[[str], Phone]) -> None:
    assert phone(cast.BOB).posts("hello").status_code == 200
    assert Client().get(cast.WEBHOOK_PATH).status_code == 405
