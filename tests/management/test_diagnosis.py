"""`manage.py channels …` and `doctor`: words, JSON, exit statuses, and that nothing private is in any of it."""

import io
import json
from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.utils import timezone
from pytest_django.fixtures import Settings

from openclaw_sms.config import accounts
from openclaw_sms.config.accounts import Account
from openclaw_sms.models import AuditEvent, InboundMessage, InboundState, SmsAccount
from tests.diagnostics.conftest import *  # noqa: F403 - its fixtures
from tests.support import cast
from tests.support.phone import Phone
from tests.support.pretend_twilio import PretendTwilio

pytestmark = pytest.mark.django_db
WITH_RETRIES = cast.PUBLIC_URL + "#rc=1&rt=5000&rp=ct,rt,5xx"
REAL_SID = "AC" + "0" * 32


def run(*words: str) -> str:
    out = StringIO()
    call_command(*words, stdout=out, stderr=StringIO())
    return out.getvalue()


def as_json(*words: str) -> Any:
    return json.loads(run(*words, "--json"))


def diagnosis(*words: str) -> tuple[int, Any]:
    out = StringIO()
    try:
        call_command("doctor", *words, stdout=out)
    except SystemExit as ended:
        return int(str(ended.code)), out.getvalue()
    return 0, out.getvalue()


def problems() -> dict[str, dict[str, str]]:
    return {problem["code"]: problem for problem in json.loads(diagnosis("--json")[1])["problems"]}


class TestList:
    def test_masks_numbers(self, account: Account) -> None:
        SmsAccount.objects.update(name="Office +15550009999")
        assert cast.OUR_NUMBER not in run("channels", "list")
        (listed,) = as_json("channels", "list")["accounts"]
        assert listed == {
            "accountId": "default",
            "name": "+1555***9999",
            "displayName": "Office +1555***9999",
            "default": True,
            "enabled": True,
            "configured": True,
        }

    def test_of_nothing_says_how_to_begin(self, db: None) -> None:
        assert "channels add" in run("channels", "list")


class TestStatus:
    def test_has_the_reference_channels_fields(self, account: Account, worker_lives: None) -> None:
        (shown,) = as_json("channels", "status", "--channel", "sms")["accounts"]
        expected = {
            "accountId": "default",
            "name": "+1555***9999",
            "enabled": True,
            "configured": True,
            "statusState": "configured",
            "lifecycle": "ready",
            "running": True,
            "tokenStatus": "available",
            "webhookPath": "/webhooks/sms",
            "signatureValidation": "configured",
        }
        assert {name: shown[name] for name in expected} == expected
        assert "probe" not in shown

    @pytest.mark.parametrize(
        ("change", "expected"),
        [
            ({"enabled": False}, ("disabled", "stopped")),
            ({"auth_token": ""}, ("unconfigured", "stopped")),
            ({"public_webhook_url": ""}, ("configured", "blocked")),
            (
                {"auth_token": "", "auth_token_ref": {"source": "env", "provider": "default", "id": "NOT_SET"}},
                ("configured", "blocked"),
            ),
        ],
    )
    def test_tells_what_keeps_it_from_working(
        self, change: dict[str, Any], expected: tuple[str, str], account: Account, worker_lives: None
    ) -> None:
        row = SmsAccount.objects.get()
        for name, value in change.items():
            setattr(row, name, value)
        row.save()
        (shown,) = as_json("channels", "status")["accounts"]
        assert (shown["statusState"], shown["lifecycle"]) == expected

    def test_without_a_worker_it_is_stopped(self, account: Account) -> None:
        (shown,) = as_json("channels", "status")["accounts"]
        assert (shown["lifecycle"], shown["running"]) == ("stopped", False)

    @pytest.mark.parametrize(
        ("variable", "value", "expected"),
        [
            ("SMS_PUBLIC_WEBHOOK_URL", "", "missing-public-url"),
            ("SMS_DANGEROUSLY_DISABLE_SIGNATURE_VALIDATION", "true", "disabled"),
        ],
    )
    def test_signature_validation(
        self, variable: str, value: str, expected: str, account: Account, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv(variable, value)
        assert as_json("channels", "status")["accounts"][0]["signatureValidation"] == expected

    def test_with_a_probe_a_wrong_address_and_method_are_a_mismatch(self, healthy: PretendTwilio) -> None:
        healthy.account.number |= {"sms_url": "https://old.example.com/sms", "sms_method": "GET"}
        shown = as_json("channels", "status", "--probe")
        probe = shown["accounts"][0]["probe"]
        assert (probe["ok"], probe["webhook"]["status"]) == (False, "method-mismatch")
        assert shown["agent"]["agent"] == "echo"
        assert "docs/troubleshooting.md#method-mismatch" in json.dumps(probe)

    def test_with_a_probe_for_people(self, healthy: PretendTwilio) -> None:
        said = run("channels", "status", "--probe")
        assert "Probe ok" in said
        assert "Webhook matches https://gateway.example.com/webhooks/sms" in said
        assert "\x1b[" not in said

    def test_colours_where_a_person_reads(self, healthy: PretendTwilio, settings: Settings) -> None:
        assert "\x1b[32mmatches" in run("channels", "--force-color", "status", "--probe")
        settings.NO_COLOR = True
        assert "\x1b[" not in run("channels", "status", "--probe")

    def test_of_one_account(self, account: Account) -> None:
        assert len(as_json("channels", "status", "--account", " DEFAULT ")["accounts"]) == 1
        with pytest.raises(CommandError, match="no account called 'sales'"):
            run("channels", "status", "--account", "sales")

    def test_a_hanging_twilio_still_yields_a_report(self, healthy: PretendTwilio) -> None:
        healthy.hangs_for = 60
        probe = as_json("channels", "status", "--probe", "--timeout", "400")["accounts"][0]["probe"]
        assert (probe["ok"], probe["webhook"]["status"]) == (False, "unavailable")
        assert probe["elapsedMs"] < 30_000


class TestCapabilities:
    def test_names_what_the_channel_can_and_the_probe(self, healthy: PretendTwilio) -> None:
        shown = as_json("channels", "capabilities", "--channel", "sms")
        assert shown["capabilities"]["chatTypes"] == ["direct"]
        assert shown["capabilities"]["reactions"] is False
        assert shown["accounts"][0]["probe"]["webhook"]["status"] == "matches"
        assert "direct chats" in run("channels", "capabilities")


class TestSetup:
    def test_repairs_address_and_method_and_the_next_probe_matches(self, healthy: PretendTwilio) -> None:
        healthy.account.number |= {"sms_url": "http://gateway.example.com/old", "sms_method": "GET"}
        said = run("channels", "setup", "--account", "default")
        assert "before  GET http://gateway.example.com/old" in said
        assert f"after   POST {WITH_RETRIES}" in said
        assert healthy.account.number["sms_url"] == WITH_RETRIES
        assert healthy.account.number["sms_method"] == "POST"
        probe = as_json("channels", "status", "--probe")["accounts"][0]["probe"]
        assert (probe["ok"], probe["webhook"]["status"]) == (True, "matches")
        assert AuditEvent.objects.get().action == "account.webhook_set"

    def test_a_dry_run_changes_nothing(self, healthy: PretendTwilio) -> None:
        healthy.account.number["sms_url"] = ""
        assert "dry run" in run("channels", "setup", "--account", "default", "--dry-run")
        assert healthy.account.changes == []
        assert not AuditEvent.objects.exists()

    @pytest.mark.parametrize(
        "theirs",
        [
            {"sms_url": "https://another-product.example.com/hook"},
            {"sms_application_sid": "AP" + "1" * 32},
        ],
    )
    def test_overwrites_what_is_somebody_elses_only_by_force(
        self, theirs: dict[str, str], healthy: PretendTwilio
    ) -> None:
        healthy.account.number |= theirs
        with pytest.raises(CommandError, match="--force"):
            run("channels", "setup", "--account", "default")
        assert healthy.account.changes == []
        run("channels", "setup", "--account", "default", "--force")
        assert as_json("channels", "status", "--probe")["accounts"][0]["probe"]["webhook"]["status"] == "matches"

    def test_takes_over_what_a_new_number_comes_with(self, healthy: PretendTwilio) -> None:
        healthy.account.number["sms_url"] = "https://demo.twilio.com/welcome/sms/reply/"
        assert "matches" in run("channels", "setup", "--account", "default")

    def test_done_twice_there_is_nothing_to_do(self, healthy: PretendTwilio) -> None:
        run("channels", "setup", "--account", "default")
        assert as_json("channels", "setup", "--account", "default")["changed"] is False
        assert len(healthy.account.changes) == 1

    def test_of_a_service_changes_the_service(self, healthy: PretendTwilio, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("TWILIO_PHONE_NUMBER")
        monkeypatch.setenv("TWILIO_MESSAGING_SERVICE_SID", SERVICE)  # noqa: F405
        healthy.account.has_service(SERVICE, use_inbound_webhook_on_number=True)  # noqa: F405
        with pytest.raises(CommandError, match="defers to each number"):
            run("channels", "setup", "--account", "default")
        run("channels", "setup", "--account", "default", "--force")
        service = healthy.account.services[SERVICE]  # noqa: F405
        assert (service["inbound_request_url"], service["use_inbound_webhook_on_number"]) == (WITH_RETRIES, False)

    def test_of_a_number_that_is_not_there(self, healthy: PretendTwilio) -> None:
        healthy.account.has_number = False
        with pytest.raises(CommandError, match="no such number"):
            run("channels", "setup", "--account", "default")

    def test_with_wrong_credentials(self, healthy: PretendTwilio) -> None:
        healthy.locks_out()
        with pytest.raises(CommandError, match="Twilio refused the credentials"):
            run("channels", "setup", "--account", "default")


class TestAdd:
    FLAGS = (
        "--account-sid",
        REAL_SID,
        "--from-number",
        "+1 555 000 9999",
        "--public-webhook-url",
        "https://gateway.example.com/webhooks/sms/office",
        "--account",
        "Office",
    )

    @pytest.fixture
    def stdin(self, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
        return lambda words: monkeypatch.setattr("sys.stdin", io.StringIO(words))

    def test_stores_what_was_tried_and_says_what_comes_next(
        self, db: None, twilio: PretendTwilio, stdin: Callable[[str], None]
    ) -> None:
        stdin(f"{cast.AUTH_TOKEN.replace(' ', '-')}\n")
        twilio.auth_token = cast.AUTH_TOKEN.replace(" ", "-")
        twilio.lets_in()
        said = run("channels", "add", *self.FLAGS, "--token-stdin", "--allow-from", "+15550001111", "--name", "Desk")
        added = accounts.load().by_id["office"]
        assert (added.from_number, added.webhook_path, added.configured) == (
            cast.OUR_NUMBER,
            "/webhooks/sms/office",
            True,
        )
        assert added.allow_from == {cast.ALICE}
        assert "channels setup --account office" in said
        assert twilio.auth_token not in said
        event = AuditEvent.objects.get()
        assert (event.action, twilio.auth_token in json.dumps(event.detail)) == ("account.added", False)

    def test_brings_back_an_account_that_was_removed(
        self, db: None, twilio: PretendTwilio, stdin: Callable[[str], None]
    ) -> None:
        SmsAccount.objects.create(account_id="office", declared=False)
        twilio.auth_token = "a-token"
        stdin("a-token\n")
        run("channels", "add", *self.FLAGS, "--token-stdin")
        assert accounts.load().by_id["office"].configured

    def test_with_setup_it_sets_the_webhook_as_well(
        self, db: None, twilio: PretendTwilio, stdin: Callable[[str], None]
    ) -> None:
        twilio.auth_token = "a-token"
        twilio.lets_in()
        stdin("a-token\n")
        assert "matches" in run("channels", "add", *self.FLAGS, "--token-stdin", "--setup")
        assert twilio.account.number["sms_url"].startswith("https://gateway.example.com/webhooks/sms/office#")

    def test_wrong_credentials_are_not_stored(
        self, db: None, twilio: PretendTwilio, stdin: Callable[[str], None]
    ) -> None:
        stdin("wrong-token\n")
        with pytest.raises(CommandError, match="Not stored: Twilio refuses"):
            run("channels", "add", *self.FLAGS, "--token-stdin")
        assert not SmsAccount.objects.exists()

    def test_a_number_of_another_account_is_not_stored(
        self, db: None, twilio: PretendTwilio, stdin: Callable[[str], None]
    ) -> None:
        twilio.auth_token, twilio.account.has_number = "a-token", False
        twilio.lets_in()
        stdin("a-token\n")
        with pytest.raises(CommandError, match="no such number"):
            run("channels", "add", *self.FLAGS, "--token-stdin")
        assert not SmsAccount.objects.exists()

    def test_asks_on_a_terminal_until_it_can_use_the_answer(
        self, db: None, twilio: PretendTwilio, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        twilio.auth_token = "a-token"
        twilio.lets_in()
        answers = iter(["AC123", REAL_SID, cast.OUR_NUMBER, "gateway", cast.PUBLIC_URL, "y"])
        monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
        monkeypatch.setattr("builtins.input", lambda prompt: next(answers))
        monkeypatch.setattr("getpass.getpass", lambda prompt: "a-token")
        said = run("channels", "add")
        assert "Account SID must be AC and 32 hexadecimal digits" in said
        assert "whole address" in said
        assert "Twilio confirms it" in said
        assert accounts.load().by_id["default"].configured

    @pytest.mark.parametrize(
        ("change", "sentence"),
        [
            (("--account-sid", "AC1"), "Account SID"),
            (("--from-number", "hello"), "From number"),
            (("--public-webhook-url", "gateway"), "Public webhook URL"),
            (("--webhook-path", "/admin"), "belongs to the gateway"),
            (("--dm-policy", "all"), "Policy must be one of"),
            (("--dm-policy", "open"), "Policy: open admits anyone only"),
        ],
    )
    def test_refuses_in_one_sentence_that_names_the_field(
        self, change: tuple[str, str], sentence: str, db: None, stdin: Callable[[str], None]
    ) -> None:
        stdin("a-token\n")
        with pytest.raises(CommandError, match=sentence):
            run("channels", "add", *self.FLAGS, "--token-stdin", *change)

    def test_does_not_change_an_account_that_is_there(
        self, account: Account, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("TWILIO_AUTH_TOKEN", "a-token")
        with pytest.raises(CommandError, match="set up already"):
            run("channels", "add", *self.FLAGS[:-2])

    def test_never_takes_the_token_from_the_command_line(self, db: None) -> None:
        with pytest.raises((CommandError, SystemExit)):
            run("channels", "add", *self.FLAGS, "--auth-token", "a-token")


class TestDoctor:
    def test_has_nothing_to_say_of_what_is_well(self, healthy: PretendTwilio) -> None:
        status, said = diagnosis()
        assert (status, said) == (0, "Nothing is wrong.\n")
        assert json.loads(diagnosis("--json")[1]) == {
            "ok": True,
            "accounts": ["default"],
            "problems": [],
            "notes": [],
        }

    def test_an_inbound_11200_is_a_problem(self, healthy: PretendTwilio) -> None:
        healthy.account.received("SM1", error_code=11200)
        status, said = diagnosis()
        assert status == 1
        assert "error 11200 on SM1" in said
        assert "docs/troubleshooting.md#webhook-unreachable" in said

    def test_each_problem_has_cause_evidence_fix_and_help(self, healthy: PretendTwilio) -> None:
        healthy.account.number["sms_method"] = "GET"
        problem = problems()["method-mismatch"]
        assert problem == {
            "code": "method-mismatch",
            "severity": "problem",
            "account": "default",
            "cause": "Twilio uses GET, and the gateway answers POST alone.",
            "evidence": f"at Twilio: GET {cast.PUBLIC_URL}; here: POST {cast.PUBLIC_URL}",
            "fix": "manage.py channels setup --account default",
            "help": "docs/troubleshooting.md#method-mismatch",
        }

    def test_a_note_is_no_problem(self, healthy: PretendTwilio) -> None:
        healthy.account.type = "Trial"
        status, said = diagnosis("--json")
        assert (status, [note["code"] for note in json.loads(said)["notes"]]) == (0, ["trial-account"])

    def test_a_dead_worker_and_what_waits_for_it(self, account: Account, healthy: PretendTwilio) -> None:
        from openclaw_sms.models import WorkerHeartbeat

        old = timezone.now() - timedelta(minutes=10)
        WorkerHeartbeat.objects.update(seen_at=old)
        InboundMessage.objects.create(account_id=account.pk, sid="SM1", sender=cast.BOB, form=b"", received_at=old)
        found = problems()
        assert {"worker-missing", "texts-wait"} <= set(found)
        assert found["worker-missing"]["evidence"] == "the last one was seen 10 min ago"

    def test_dead_letters(self, account: Account, healthy: PretendTwilio) -> None:
        InboundMessage.objects.create(
            account_id=account.pk,
            sid="SM1",
            sender=cast.BOB,
            form=b"",
            received_at=timezone.now(),
            state=InboundState.PARKED,
        )
        assert problems()["dead-letters"]["fix"] == "manage.py channels dead-letters list"

    def test_an_account_that_lacks_something_is_explained_once(
        self, account: Account, healthy: PretendTwilio, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("SMS_PUBLIC_WEBHOOK_URL")
        assert set(problems()) == {"missing-public-url"}

    @pytest.mark.parametrize(
        ("variables", "problem", "note"),
        [
            ({"SMS_DANGEROUSLY_DISABLE_SIGNATURE_VALIDATION": "true"}, "signature-disabled", ""),
            ({"SMS_ALLOWED_USERS": "*"}, "", "open-to-anyone"),
            ({"TWILIO_PHONE_NUMBER": ""}, "missing-sender", ""),
            ({"TWILIO_AUTH_TOKEN": ""}, "missing-credentials", ""),
            ({"SMS_WEBHOOK_PATH": "/admin"}, "account-not-served", ""),
            ({"SMS_TEXT_CHUNK_LIMIT": "none"}, "account-not-served", ""),
        ],
    )
    def test_says_no_check_of_the_settings_a_second_time(
        self,
        variables: dict[str, str],
        problem: str,
        note: str,
        healthy: PretendTwilio,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        report = json.loads(diagnosis("--json")[1])
        found = {key: {each["code"] for each in report[key]} for key in ("problems", "notes")}
        assert problem in found["problems"] or note in found["notes"]
        said = found["problems"] | found["notes"]
        assert not {code for code in said if code.startswith("openclaw_sms.")} - {"openclaw_sms.W008"}

    def test_shows_the_checks_that_it_does_not_make_itself(
        self, healthy: PretendTwilio, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("SMS_WEBHOOK_PATH", "/elsewhere")
        status, said = diagnosis()
        assert status == 0
        assert "W008" in said

    def test_has_nothing_to_say_of_keys_that_are_only_advised(
        self, healthy: PretendTwilio, settings: Settings
    ) -> None:
        settings.SMS_ENCRYPTION_KEYS, settings.DEBUG = [], False
        assert diagnosis() == (0, "Nothing is wrong.\n")

    def test_two_tokens_of_the_agent_are_said(self, healthy: PretendTwilio, settings: Settings) -> None:
        settings.SMS_AGENT_TOKEN, settings.SMS_AGENT_TOKEN_REF = "t", "env:default:T"
        assert problems() != {}

    def test_the_agents_trouble(self, healthy: PretendTwilio, settings: Settings) -> None:
        settings.SMS_AGENT, settings.SMS_AGENT_URL = "chat_completions", "http://127.0.0.1:9"
        assert "agent_unreachable" in problems()

    def test_a_clock_that_is_wrong(self, healthy: PretendTwilio, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("openclaw_sms.diagnostics.doctor.LARGEST_SKEW", timedelta(seconds=-1))
        assert "Twilio's" in problems()["clock-skew"]["evidence"]

    def test_a_disk_that_is_full(self, healthy: PretendTwilio, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("openclaw_sms.diagnostics.machine.LEAST_FREE", 1 << 60)
        assert "MB are free" in problems()["disk-full"]["evidence"]


def test_no_report_holds_a_token_a_whole_number_or_a_text(
    account: Account, healthy: PretendTwilio, phone: Callable[[str], Phone]
) -> None:
    phone(cast.BOB).texts("a secret of Bob's")
    healthy.account.received("SM1", error_code=11200)
    healthy.account.number["sms_url"] = "https://user:password@old.example.com/?token=hidden"
    reports = [
        run("channels", "list"),
        run("channels", "list", "--json"),
        run("channels", "status", "--probe"),
        run("channels", "status", "--probe", "--json"),
        run("channels", "capabilities"),
        run("channels", "capabilities", "--json"),
        str(diagnosis()[1]),
        str(diagnosis("--json")[1]),
    ]
    private = [
        cast.AUTH_TOKEN,
        cast.OUR_NUMBER[1:],
        cast.BOB[1:],
        "15550007777",
        "a secret of Bob's",
        "a text that nobody must see",
        "password",
        "hidden",
    ]
    for report in reports:
        assert [word for word in private if word in report] == []
