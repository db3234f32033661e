"""Coming in: who is let in, how far, how often, and in what words everybody else is refused."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from openclaw_sms.access import tokens
from openclaw_sms.access.audit import GATEWAY
from openclaw_sms.access.tokens import TokenError
from openclaw_sms.models import ApiToken, AuditEvent
from tests.web.api.conftest import Enter, Program

pytestmark = pytest.mark.django_db


class TestIsRefused:
    @pytest.mark.parametrize(
        "header", ["", "Bearer", "Bearer ", "Basic b2xnYTpwdw==", "Bearer ocs_guessed", "bearer x"]
    )
    def test_without_a_valid_token_and_told_how_to_come_in(self, program: Enter, header: str) -> None:
        program("admin")
        answer = Client().get("/api/v1/status", headers={"Authorization": header} if header else {})

        assert answer.status_code == 401
        assert answer["WWW-Authenticate"].startswith("Bearer ")
        assert answer.json()["error"]["code"] == "not_authenticated"

    def test_once_it_is_revoked(self, program: Enter) -> None:
        holder = program("read")
        assert holder.get("status").status == 200
        tokens.revoke(ApiToken.objects.get(), actor=GATEWAY, now=timezone.now())
        assert holder.get("status").status == 401

    def test_once_it_is_expired(self, program: Enter) -> None:
        holder = program("read")
        ApiToken.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
        assert holder.get("status").status == 401

    def test_with_a_token_that_differs_in_its_last_character(self, program: Enter) -> None:
        plain = program("read").token
        other = "A" if plain[-1] != "A" else "B"
        assert Program(plain[:-1] + other).get("status").status == 401

    @pytest.mark.parametrize(
        ("scopes", "method", "path", "lacking"),
        [
            (("read", "pair"), "POST", "messages", "send"),
            (("send", "pair"), "GET", "messages", "read"),
            (("send", "pair"), "GET", "conversations", "read"),
            (("send", "read"), "GET", "pairing", "pair"),
            (("send", "read"), "POST", "pairing/approve", "pair"),
            (("send", "read"), "POST", "allowed-senders", "pair"),
            (("send", "read", "pair"), "GET", "events", "admin"),
            (("send", "read", "pair"), "POST", "received/SM1/answer", "admin"),
            (("pair",), "GET", "messages/1", "read or send"),
            (("send",), "GET", "received/SM1", "read"),
            (("pair",), "GET", "status", "read"),
        ],
    )
    def test_without_the_scope_which_is_named(
        self, program: Enter, scopes: tuple[str, ...], method: str, path: str, lacking: str
    ) -> None:
        told = program(*scopes).asks(method, path, body={} if method == "POST" else None)

        assert (told.status, told.error["code"]) == (403, "scope_missing")
        assert f"scope {lacking}." in told.error["message"]

    def test_without_the_scope_for_a_head_either(self, program: Enter) -> None:
        answers = [program(scope).asks("HEAD", "conversations").status for scope in ("send", "read")]
        assert answers == [403, 200]

    def test_when_it_asks_too_often_and_told_how_long_to_wait(
        self, program: Enter, throttle: Callable[[int], None]
    ) -> None:
        throttle(3)
        busy, other = program("read"), program("read")
        assert [busy.get("status").status for _ in range(5)] == [200, 200, 200, 429, 429]

        told = busy.get("status")
        assert told.error["code"] == "throttled"
        assert 1 <= int(told.headers["Retry-After"]) <= 60
        assert other.get("status").status == 200

        ApiToken.objects.update(window_began_at=timezone.now() - timedelta(minutes=2))
        assert busy.get("status").status == 200


class TestIsStored:
    def test_as_a_digest_of_which_the_token_cannot_be_made(self, program: Enter) -> None:
        plain = program("read").token
        row = ApiToken.objects.get()
        stored = " ".join(str(value) for value in vars(row).values())
        assert plain not in stored
        assert plain.removeprefix(row.prefix) not in stored
        assert len(plain) >= 40

    def test_with_an_audit_row_for_its_making_and_its_end(self, program: Enter) -> None:
        program("read", name="zapier")
        tokens.revoke(ApiToken.objects.get(), actor=GATEWAY, now=timezone.now())
        assert list(AuditEvent.objects.values_list("action", "subject").order_by("id")) == [
            ("token.created", "zapier"),
            ("token.revoked", "zapier"),
        ]

    @pytest.mark.parametrize(
        ("name", "scopes"), [("", {"read"}), ("x", set()), ("x", {"read", "root"}), ("a\nb", {"read"})]
    )
    def test_only_when_it_makes_sense(self, db: None, name: str, scopes: set[str]) -> None:
        with pytest.raises(TokenError):
            tokens.create(name, scopes, actor=GATEWAY, now=timezone.now())

    def test_under_a_name_that_is_not_taken(self, program: Enter) -> None:
        program("read", name="zapier")
        with pytest.raises(TokenError, match="already"):
            program("send", name="zapier")


def test_every_other_path_answers_in_json(program: Enter) -> None:
    for path in ("nothing", "messages/1/2/3", "schema", "messages/one", "received/a%00b"):
        told = program("admin", name=path).get(path)
        assert (told.status, told.error["code"]) == (404, "not_found")


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"{", 400, "invalid"),
        (b"[]", 400, "invalid"),
        (b'"\xff"', 400, "invalid"),
        (b'{"text": NaN}', 400, "invalid"),
        (b"[" * 100_000, 400, "invalid"),
        (b'"' + b"x" * 600_000 + b'"', 413, "too_large"),
    ],
)
def test_a_body_that_cannot_be_read(program: Enter, body: bytes, status: int, code: str) -> None:
    answer = Client().post(
        "/api/v1/messages",
        body,
        content_type="application/json",
        headers={"Authorization": f"Bearer {program('send').token}"},
    )
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
