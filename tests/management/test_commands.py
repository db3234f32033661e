"""The command line: words, exit statuses, JSON, and one sentence where something is refused."""

import json
import socket
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from pytest_django.fixtures import Settings

from openclaw_sms.config import accounts
from openclaw_sms.config.accounts import Account
from openclaw_sms.management.commands.gateway import refuse_another_address
from openclaw_sms.management.server import announce, missing
from openclaw_sms.models import AuditEvent, InboundMessage, MediaItem, OutboundMessage, PairingRequest, SmsAccount
from openclaw_sms.text.web_address import without_secrets
from tests.support import cast
from tests.support.phone import Phone, work
from tests.support.pictures import png
from tests.support.pretend_twilio import PretendTwilio, Refusal

pytestmark = pytest.mark.django_db
Dial = Callable[[str], Phone]


def run(*words: str) -> str:
    out = StringIO()
    call_command(*words, stdout=out, stderr=StringIO())
    return out.getvalue()


@pytest.fixture
def code(phone: Dial, twilio: PretendTwilio) -> str:
    """Bob has asked to be let in."""
    phone(cast.BOB).texts("hello")
    return PairingRequest.objects.get().code


class TestPairing:
    def test_list_as_json_has_the_contracts_shape(self, code: str) -> None:
        listed = json.loads(run("pairing", "list", "sms", "--json"))
        assert listed["channel"] == "sms"
        (request,) = listed["requests"]
        assert set(request) == {"id", "code", "account", "sender", "createdAt", "lastSeenAt", "expiresAt"}
        assert (request["code"], request["account"], request["sender"]) == (code, "default", cast.BOB)
        assert request["createdAt"] < request["expiresAt"]

    def test_list_for_people_shows_the_code(self, code: str) -> None:
        assert code in run("pairing", "list")

    def test_list_says_that_nobody_waits(self, account: Account) -> None:
        assert run("pairing", "list", "sms") == "Nobody is waiting.\n"

    @pytest.mark.parametrize("words", [("sms", "{code}"), ("{code}",)])
    def test_approve_takes_the_code_with_or_without_the_channel(self, words: tuple[str, ...], code: str) -> None:
        said = run("pairing", "approve", *(word.format(code=code.lower()) for word in words))
        assert said == f"Approved {cast.BOB}.\n"
        assert AuditEvent.objects.get().actor.startswith("cli:")

    def test_approve_and_notify_texts_the_sender(self, code: str, twilio: PretendTwilio) -> None:
        run("pairing", "approve", "sms", code, "--notify")
        work()
        assert "approved" in twilio.messages_to(cast.BOB)[-1].body

    @pytest.mark.parametrize("action", ["approve", "dismiss"])
    def test_a_wrong_code_is_refused_in_one_sentence(self, action: str, account: Account) -> None:
        with pytest.raises(CommandError, match="No pending request has that code"):
            run("pairing", action, "sms", "WRONGXYZ")

    def test_dismiss_drops_the_request(self, code: str) -> None:
        assert cast.BOB in run("pairing", "dismiss", "sms", code)
        assert run("pairing", "list") == "Nobody is waiting.\n"

    def test_an_unknown_account_is_named_with_the_known_ones(self, account: Account) -> None:
        with pytest.raises(CommandError, match=r"no account called 'sales'\. Accounts: default"):
            run("pairing", "list", "sms", "--account", "sales")

    def test_a_blank_account_is_an_error(self, account: Account) -> None:
        with pytest.raises(CommandError, match="--account needs an account id"):
            run("pairing", "list", "--account", " ")


class TestMessageSend:
    @pytest.fixture(autouse=True)
    def configured(self, account: Account, twilio: PretendTwilio) -> None:
        pass

    @pytest.mark.parametrize("target", ["sms:{}", "twilio-sms:{}", "{}", "SMS: {}"])
    def test_every_form_of_a_target_reaches_the_number(self, target: str, twilio: PretendTwilio) -> None:
        run("message", "send", "--target", target.format(cast.ALICE), "--message", "hi **you**")
        assert [message.body for message in twilio.messages_to(cast.ALICE)] == ["hi you"]

    def test_json_has_the_contracts_shape(self) -> None:
        sent = json.loads(send("--message", "héllo 你", "--json"))
        (part,) = sent.pop("parts")
        assert sent == {"account": "default", "to": cast.ALICE}
        assert set(part) == {"body", "encoding", "segments", "sid", "status"}
        assert (part["body"], part["encoding"], part["segments"]) == ("héllo 你", "UCS-2", 1)
        assert part["sid"].startswith("SM")
        assert part["status"] == "queued"

    def test_plain_keeps_the_markdown(self, twilio: PretendTwilio) -> None:
        send("--message", "**hi**", "--plain")
        assert twilio.messages_to(cast.ALICE)[0].body == "**hi**"

    def test_a_dry_run_shows_the_parts_and_writes_nothing(self, twilio: PretendTwilio) -> None:
        shown = json.loads(send("--message", "word " * 400, "--dry-run", "--json"))
        assert [part["status"] for part in shown["parts"]] == ["dry-run"] * 2
        assert [part["sid"] for part in shown["parts"]] == [None] * 2
        assert not OutboundMessage.objects.exists()
        assert twilio.messages_to(cast.ALICE) == []

    @pytest.mark.parametrize(
        "target",
        ["call15551112222now", "+1 555 111 2222 ext 5", "12345", "whatsapp:+15550001111", "", "555 111 2222"],
    )
    def test_a_bad_target_is_refused_without_showing_it(self, target: str, twilio: PretendTwilio) -> None:
        with pytest.raises(CommandError, match="--target") as refused:
            run("message", "send", "--target", target, "--message", "hi")
        assert "5551112222" not in str(refused.value).replace(" ", "")
        assert not OutboundMessage.objects.exists()

    @pytest.mark.parametrize("message", ["", "   ", "***"])
    def test_nothing_to_say_is_refused(self, message: str) -> None:
        with pytest.raises(CommandError, match="empty"):
            send("--message", message)

    def test_a_file_and_an_address_go_along(self, twilio: PretendTwilio, picture: Path) -> None:
        sent = json.loads(send("--message", "look", "--media", str(picture), "--media", ELSEWHERE, "--json"))
        assert sent["media"] == [{"contentType": "image/png", "size": len(png())}, {"url": ELSEWHERE}]
        [message] = twilio.messages_to(cast.ALICE)
        ours, theirs = message.media_urls
        assert ours.startswith(f"{cast.PUBLIC_URL}/media/")
        assert theirs == ELSEWHERE

    def test_pictures_need_no_words(self, twilio: PretendTwilio, picture: Path) -> None:
        assert "With image/png" in send("--media", str(picture))
        assert twilio.messages_to(cast.ALICE)[0].body == ""

    def test_a_dry_run_lists_files_and_keeps_none(self, picture: Path, twilio: PretendTwilio) -> None:
        shown = json.loads(send("--media", str(picture), "--dry-run", "--json"))
        assert [part["body"] for part in shown["parts"]] == [""]
        assert shown["media"] == [{"contentType": "image/png", "size": len(png())}]
        assert not MediaItem.objects.exists()
        assert twilio.posts == []

    @pytest.mark.parametrize(
        "media",
        ["http://example.com/a.png", "https://localhost/a.png", "https://u:p@example.com/a.png", "/nowhere.png", "/"],
    )
    def test_what_cannot_go_along_is_refused_in_one_sentence(self, media: str, twilio: PretendTwilio) -> None:
        with pytest.raises(CommandError, match="media") as refused:
            send("--message", "look", "--media", media)
        assert refused.value.returncode == 1
        assert "\n" not in str(refused.value)
        assert not OutboundMessage.objects.exists()
        assert twilio.posts == []

    def test_eleven_files_are_too_many(self) -> None:
        with pytest.raises(CommandError, match="at most 10 files"):
            send("--message", "look", *["--media", ELSEWHERE] * 11)

    def test_neither_words_nor_pictures_is_wrong_usage(self) -> None:
        with pytest.raises(CommandError, match="--message, --media or both"):
            run("message", "send", "--target", cast.ALICE)

    def test_whatsapp_is_reached_where_the_account_uses_it(self, twilio: PretendTwilio) -> None:
        SmsAccount.objects.update(whatsapp=True)
        target = f"whatsapp:{cast.ALICE}"
        sent = json.loads(run("message", "send", "--target", target, "--message", "hi", "--json"))
        assert (sent["to"], sent["parts"][0]["segments"]) == (target, 1)
        assert [message.sender for message in twilio.messages_to(target)] == [f"whatsapp:{cast.OUR_NUMBER}"]

    def test_a_refusal_says_why_and_not_to_whom(self, twilio: PretendTwilio) -> None:
        twilio.fails_next(Refusal(400, 21211, f"The 'To' number {cast.ALICE} is not a valid phone number"))
        with pytest.raises(CommandError, match="21211") as refused:
            send("--message", "hi")
        assert cast.ALICE not in str(refused.value)

    def test_an_incomplete_account_is_refused_by_name(self) -> None:
        SmsAccount.objects.create(account_id="empty")
        with pytest.raises(CommandError, match="Account empty cannot send"):
            send("--message", "hi", "--account", "empty")


ELSEWHERE = "https://example.com/cat.png"


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "picture"
    path.write_bytes(png())
    return path


def send(*words: str) -> str:
    return run("message", "send", "--target", f"sms:{cast.ALICE}", *words)


def test_without_any_account_the_way_out_is_named(db: None) -> None:
    with pytest.raises(CommandError, match="TWILIO_ACCOUNT_SID"):
        send("--message", "hi")


class TestTheGatewaysAnnouncement:
    def test_names_the_route_and_what_to_paste(self, account: Account, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level("INFO", "openclaw_sms")
        announce(accounts.load())
        assert "path=/webhooks/sms" in caplog.text
        assert f"method=POST url={cast.PUBLIC_URL}" in caplog.text
        assert cast.OUR_NUMBER not in caplog.text

    @pytest.mark.parametrize(
        ("values", "word"),
        [
            ({"enabled": False}, "disabled"),
            ({"account_sid": ""}, "accountSid"),
            ({"public_webhook_url": ""}, "publicWebhookUrl"),
        ],
    )
    def test_says_what_keeps_an_account_from_receiving(
        self, values: dict[str, Any], word: str, account: Account, caplog: pytest.LogCaptureFixture
    ) -> None:
        SmsAccount.objects.update(**values)
        announce(accounts.load())
        assert "gateway.no_route account=default" in caplog.text
        assert word in missing(accounts.choose("default"))

    def test_says_so_when_there_is_no_account(self, db: None, caplog: pytest.LogCaptureFixture) -> None:
        announce(accounts.load())
        assert "gateway.no_account" in caplog.text


def test_the_sandbox_is_served_only_where_its_twilio_looks_for_it(settings: Settings) -> None:
    settings.SMS_SANDBOX = {"address": "http://127.0.0.1:8000"}
    refuse_another_address("127.0.0.1", 8000)
    with pytest.raises(CommandError, match="sandbox --port 8001"):
        refuse_another_address("127.0.0.1", 8001)


def test_a_sandbox_that_cannot_start_does_not_turn_itself_on(settings: Settings, db: None) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(CommandError, match="cannot be used"):
            run("sandbox", "--port", str(taken.getsockname()[1]))
    assert not settings.SMS_SANDBOX_FILE.exists()


@pytest.mark.parametrize("words", [("sms",), ("AB", "CD"), ("sms", "AB", "CD")])
def test_no_code_or_two_is_wrong_usage(words: tuple[str, ...], account: Account) -> None:
    with pytest.raises(CommandError, match="Give one code") as refused:
        run("pairing", "approve", *words)
    assert refused.value.returncode == 2


def test_secrets_in_the_public_url_stay_out_of_the_log() -> None:
    assert without_secrets("https://u:pw@h.example/x?key=q#rc=2") == "https://***@h.example/x?***#rc=2"
    assert without_secrets(cast.PUBLIC_URL) == cast.PUBLIC_URL


class TestBackFill:
    @pytest.fixture(autouse=True)
    def missed(self, account: Account, twilio: PretendTwilio) -> str:
        return twilio.received_without_calling(cast.BOB, "hello?")

    def test_takes_in_once_and_then_has_nothing_to_say(self, missed: str) -> None:
        assert run("backfill") == "Account default: 1 of 1 taken in.\n"
        assert run("backfill") == ""
        assert InboundMessage.objects.get().sid == missed

    def test_a_dry_run_only_says(self, missed: str) -> None:
        listed = json.loads(run("backfill", "--dry-run", "--json", "--account", "default"))
        (entry,) = listed["accounts"]
        assert (listed["dryRun"], entry["account"], entry["listed"], entry["missed"]) == (
            True,
            "default",
            1,
            [missed],
        )
        assert not InboundMessage.objects.exists()

    def test_looks_as_far_back_as_it_is_told(self, missed: str) -> None:
        assert run("backfill", "--hours", "0.05") == ""

    @pytest.mark.parametrize("hours", ["0", "-1", "a day", "nan", "99999"])
    def test_a_span_that_is_none_is_refused(self, hours: str) -> None:
        with pytest.raises(CommandError, match="give a number of hours"):
            run("backfill", f"--hours={hours}")

    def test_twilios_refusal_is_one_sentence(self, twilio: PretendTwilio) -> None:
        twilio.locks_out()
        with pytest.raises(CommandError, match="Account default: Twilio refused the credentials"):
            run("backfill")

    def test_an_account_that_receives_nothing_is_refused(self, account: Account) -> None:
        SmsAccount.objects.update(enabled=False)
        with pytest.raises(CommandError, match="receives no texts"):
            run("backfill", "--account", "default")
