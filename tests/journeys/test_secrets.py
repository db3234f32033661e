"""An account whose secret is missing, in a real gateway: it alone rests, and wakes within seconds of the secret."""

import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.journeys.conftest import OUR_NUMBER
from tests.support.gateway import PUBLIC_URL, REPOSITORY, Delivery, Gateway, unique
from tests.support.pretend_agent import PretendAgent
from tests.support.pretend_twilio import PretendTwilio

pytestmark = pytest.mark.processes

PATH = "/webhooks/support"
# Its own path behind the same public URL, as a proxy would map it; the token is in the gateway's own store.
ADD_SUPPORT = f"""
from openclaw_sms.models import SmsAccount
SmsAccount.objects.create(
    account_id="support", account_sid="{{sid}}", from_number="{OUR_NUMBER}", webhook_path="{PATH}",
    public_webhook_url="{PUBLIC_URL}", dm_policy="open", allow_from=["*"],
    auth_token_ref={{{{"source": "store", "provider": "default", "id": "SUPPORT_TOKEN"}}}},
)
"""


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway of its own: it has an account that the other journeys should not meet."""
    data_dir: Path = tmp_path_factory.mktemp("gateway-secrets")
    with ExitStack() as stack:
        twilio = stack.enter_context(PretendTwilio(f"AC{secrets.token_hex(16)}", secrets.token_hex(16), OUR_NUMBER))
        agent = stack.enter_context(PretendAgent(token=secrets.token_urlsafe(24)))
        yield stack.enter_context(Gateway(twilio, agent, data_dir, f"sqlite:///{data_dir / 'db.sqlite3'}"))


def test_it_rests_alone_and_wakes_with_its_secret(gateway: Gateway) -> None:
    twilio, phone = gateway.twilio, gateway.new_phone()
    added = gateway.manage("shell", "-c", ADD_SUPPORT.format(sid=twilio.account_sid))
    assert added.returncode == 0, added.stderr

    # It rests: its posts may come again, its texts are refused in one sentence.
    until(lambda: phone.texts(unique("hello"), Delivery(path=PATH)).status == 503)
    refused = gateway.manage("message", "send", "--account", "support", "--target", phone.number, "--message", "hi")
    assert refused.returncode == 1
    assert refused.stderr.strip() == (
        "CommandError: Account support cannot send now: authToken: store:default:SUPPORT_TOKEN is not stored: "
        "run `manage.py secrets set SUPPORT_TOKEN`."
    )

    # It alone: its sibling answers.
    sibling = gateway.new_phone().is_let_in()
    words = unique("how are you")
    sibling.texts(words)
    assert words in sibling.hears().body

    # It wakes, in the running gateway.
    said = store(gateway, "SUPPORT_TOKEN", twilio.auth_token)
    assert twilio.auth_token not in said
    words = unique("anybody there")
    until(lambda: phone.texts(words, Delivery(path=PATH)).status == 200)
    assert words in phone.hears().body

    told = [line for line in gateway.log.splitlines() if "available account=support" in line]
    assert len(told) == 2, told
    assert not any("account.changed account=support" in line for line in gateway.log.splitlines())
    assert "store:default:SUPPORT_TOKEN is not stored" in told[0]
    assert "account.available account=support" in told[1]
    assert twilio.auth_token not in gateway.log


def store(gateway: Gateway, name: str, value: str) -> str:
    """`manage.py secrets set`, with the value on its stdin."""
    ran = subprocess.run(
        [sys.executable, "manage.py", "secrets", "set", name],
        cwd=REPOSITORY,
        env=gateway.environment,
        input=f"{value}\n",
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return ran.stdout + ran.stderr


def until(true: Callable[[], bool], within: float = 30.0) -> None:
    deadline = time.monotonic() + within
    while not true():
        assert time.monotonic() < deadline, "it did not come true"
        time.sleep(0.2)
