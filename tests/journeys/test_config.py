"""The configuration of a gateway that runs: accounts come, move and go without a restart, and the log says so."""

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.support.gateway import HEARING_LIMIT, POLL, FakePhone, Gateway, unique
from tests.support.loopback import send
from tests.support.pretend_twilio import sign, webhook_headers

pytestmark = pytest.mark.processes

# Every character of the second is legal in a path, and none of them is usual.
FIRST = "https://support.example.com/hooks/support"
SECOND = "https://support.example.com/a/very/deep/sp%C3%A4t%20&%20gut;v=1,@('!*~')/:x+y=z"


@pytest.fixture
def patch(gateway: Gateway) -> Iterator[Callable[[Any], "subprocess.CompletedProcess[str]"]]:
    """Change the configuration as the owner would; whatever was added is gone afterwards."""
    file = gateway.data_dir / "patch.json5"

    def apply(sms: Any) -> "subprocess.CompletedProcess[str]":
        file.write_text(json.dumps({"channels": {"sms": sms}}))
        return gateway.manage("config", "patch", "--file", str(file))

    yield apply
    assert apply({"accounts": None}).returncode == 0


def test_an_account_comes_moves_and_goes_while_the_gateway_runs(
    gateway: Gateway, patch: Callable[[Any], "subprocess.CompletedProcess[str]"]
) -> None:
    phone = gateway.new_phone()
    assert post(gateway, phone, FIRST) == 404

    added = patch({"accounts": {"Support Team": an_account(gateway, phone, FIRST)}})
    assert (added.returncode, added.stderr) == (0, "")
    assert gateway.twilio.auth_token not in added.stdout
    wait_for(lambda: post(gateway, phone, FIRST, text := unique("hello")) == 200 and bool(text))
    assert phone.hears().body.startswith("You said: hello")
    wait_for_line(gateway, "account.added account=support-team path=/hooks/support")

    patch({"accounts": {"support-team": {"webhookPath": urlsplit(SECOND).path, "publicWebhookUrl": SECOND}}})
    wait_for(lambda: post(gateway, phone, SECOND, unique("hello again")) == 200)
    assert phone.hears().body.startswith("You said: hello again")
    assert post(gateway, phone, FIRST) == 404
    wait_for_line(
        gateway, "account.route_changed account=support-team from=/hooks/support to=/a/very/deep/spät & gut"
    )

    patch({"accounts": {"support-team": {"enabled": False}}})
    wait_for(lambda: post(gateway, phone, SECOND) == 404)
    wait_for_line(gateway, "account.disabled account=support-team path=/a/very/deep")

    patch({"accounts": {"support-team": None}})
    wait_for_line(gateway, "account.removed account=support-team")
    assert gateway.log.count("account.added account=support-team") == 1


def an_account(gateway: Gateway, phone: FakePhone, url: str) -> dict[str, Any]:
    return {
        "accountSid": gateway.twilio.account_sid,
        "authToken": gateway.twilio.auth_token,
        "fromNumber": gateway.twilio.phone_number,
        "publicWebhookUrl": url,
        "webhookPath": urlsplit(url).path,
        "dmPolicy": "allowlist",
        "allowFrom": [phone.number],
    }


def post(gateway: Gateway, phone: FakePhone, url: str, body: str = "") -> int:
    """The status that a signed text draws at the path of `url`; without a body it is signed wrongly."""
    form = phone.form(body or "let me in")
    gateway.texted.append(body or "let me in")
    parts = urlsplit(url)
    signature = sign(gateway.twilio.auth_token, url, form) if body else "forged"
    return send(
        gateway.address, "POST", parts.path, body=form, headers=webhook_headers(parts.netloc, signature)
    ).status


def wait_for(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + HEARING_LIMIT
    while not is_so():
        assert time.monotonic() < deadline, "the change did not take effect"
        time.sleep(POLL)


def wait_for_line(gateway: Gateway, words: str) -> None:
    wait_for(lambda: words in gateway.log)
