"""Tokens and events at the console: shown once, revoked by a button, sent again by a button, on the record."""

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django.fixtures import Settings

from openclaw_sms.access import tokens
from openclaw_sms.access.audit import GATEWAY
from openclaw_sms.models import ApiToken, AuditEvent, EventState, EventType, OutgoingEvent, SmsAccount
from tests.admin.conftest import told

ADD = "admin:openclaw_sms_apitoken_add"


def make(console: Client, **fields: object) -> str:
    """Make a token as the form does, and give the page that answers."""
    page = console.post(reverse(ADD), {"name": "planner", "scopes": ["send", "read"], **fields})
    assert page.status_code == 200
    return page.content.decode()


def shown_token(page: str) -> str:
    return page.partition('<code class="sms-address">')[2].partition("</code>")[0]


class TestAToken:
    def test_is_shown_once_by_the_answer_to_its_making(self, console: Client, account: SmsAccount) -> None:
        page = console.post(reverse(ADD), {"name": "planner", "scopes": ["send", "read"], "account": str(account.pk)})
        plain = shown_token(page.content.decode())

        row = tokens.find(plain, now=timezone.now())
        assert row is not None
        assert (row.scopes, row.account_id, row.created_by) == (["send", "read"], account.pk, "console:olga")
        assert "no-store" in page["Cache-Control"]
        assert plain not in str(page.cookies)
        for name in ("changelist", "change", "history"):
            args = [] if name == "changelist" else [row.pk]
            assert (
                plain not in console.get(reverse(f"admin:openclaw_sms_apitoken_{name}", args=args)).content.decode()
            )

    @pytest.mark.parametrize(
        "fields",
        [{"scopes": []}, {"scopes": ["root"]}, {"name": ""}, {"expires_at_0": "2020-01-01", "expires_at_1": "00:00"}],
    )
    def test_is_not_made_of_nonsense(self, console: Client, db: None, fields: dict[str, object]) -> None:
        make(console, **fields)
        assert ApiToken.objects.count() == 0

    def test_of_a_name_that_is_taken_is_refused_in_the_form(self, console: Client, db: None) -> None:
        make(console)
        assert "already exists" in make(console)
        assert ApiToken.objects.count() == 1

    def test_is_revoked_by_a_button_and_never_rewritten(self, console: Client, db: None) -> None:
        plain = shown_token(make(console))
        pk = ApiToken.objects.get().pk
        page = reverse("admin:openclaw_sms_apitoken_change", args=[pk])
        revoke = reverse("admin:openclaw_sms_apitoken_revoke", args=[pk])

        assert revoke in console.get(page).content.decode()
        assert console.post(page, {"name": "mine"}).status_code == 403
        assert console.get(revoke).status_code == 405
        assert "next request is refused" in told(console.post(revoke, follow=True))[0]
        assert "revoked already" in told(console.post(revoke, follow=True))[0]
        assert tokens.find(plain, now=timezone.now()) is None
        assert AuditEvent.objects.filter(action="token.revoked", actor="console:olga").count() == 1

    def test_is_not_for_an_onlooker_to_make_or_revoke(self, onlooker: Client, db: None) -> None:
        row = tokens.create("planner", {"read"}, actor=GATEWAY, now=timezone.now()).row
        assert onlooker.get(reverse(ADD)).status_code == 403
        assert onlooker.post(reverse(ADD), {"name": "x", "scopes": ["admin"]}).status_code == 403
        assert onlooker.post(reverse("admin:openclaw_sms_apitoken_revoke", args=[row.pk])).status_code == 403
        assert ApiToken.objects.filter(revoked_at=None).count() == 1


class TestAnEvent:
    @pytest.mark.parametrize("state", [EventState.DEAD, EventState.GONE])
    def test_that_was_given_up_is_sent_again(
        self, console: Client, account: SmsAccount, settings: Settings, state: EventState
    ) -> None:
        settings.SMS_EVENTS_URL = "https://hooks.example.com/"
        event = an_event(account, state)
        again = reverse("admin:openclaw_sms_outgoingevent_send-again", args=[event.pk])
        page = reverse("admin:openclaw_sms_outgoingevent_change", args=[event.pk])

        assert again in console.get(page).content.decode()
        assert "on its way" in told(console.post(again, follow=True))[0]
        event.refresh_from_db()
        assert event.state == EventState.PENDING
        assert again not in console.get(page).content.decode()

    def test_shows_what_was_told_as_text(self, console: Client, account: SmsAccount) -> None:
        event = an_event(account, EventState.DELIVERED, payload='{"text": "<script>alert(1)</script>"}')
        page = console.get(reverse("admin:openclaw_sms_outgoingevent_change", args=[event.pk])).content.decode()
        assert "&lt;script&gt;alert(1)" in page
        assert "<script>alert(1)" not in page


def an_event(account: SmsAccount, state: EventState, *, payload: str = "{}") -> OutgoingEvent:
    now = timezone.now()
    return OutgoingEvent.objects.create(
        event_id="evt_1",
        type=EventType.TEXT_RECEIVED,
        account=account,
        receiver="elsewhere",
        payload=payload,
        state=state,
        next_attempt_at=now,
        created_at=now,
    )
