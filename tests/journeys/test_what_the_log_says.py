"""The gateway's log after all journeys: where Twilio is to be pointed, and nothing about anybody.

Named to be collected last, so that it reads the log of everything the other journeys did.
"""

import re

import pytest

from tests.support.gateway import PUBLIC_URL, WEBHOOK_PATH, FakePhone, Gateway, unique

pytestmark = pytest.mark.processes


def test_it_names_the_webhook_route_and_the_url_for_twilio(gateway: Gateway) -> None:
    assert re.search(rf"(?<!gateway\.example\.com){WEBHOOK_PATH}(?![\w/])", gateway.log)
    assert PUBLIC_URL in gateway.log


def test_it_shows_no_traceback(gateway: Gateway) -> None:
    raised = re.findall(r"^Traceback .*\n(?:[ \t].*\n)+(.+)$", gateway.log, re.MULTILINE)

    assert set(raised) == set()


def test_it_holds_no_number_no_token_and_no_text(gateway: Gateway, alice: FakePhone) -> None:
    alice.texts(unique("so that this holds in a run of this file alone"))
    alice.hears()
    log = gateway.log

    leaks = [
        *(f"the number {number}" for number in numbers_of(gateway) if number.removeprefix("+1") in log),
        *(f"the {name}" for name, secret in secrets_of(gateway).items() if secret in log),
        *(f"the text {body!r}" for body in bodies_of(gateway) if body in log),
    ]
    assert leaks == []


def numbers_of(gateway: Gateway) -> list[str]:
    return [gateway.twilio.phone_number, *gateway.numbers]


def secrets_of(gateway: Gateway) -> dict[str, str]:
    return {
        "auth token": gateway.twilio.auth_token,
        "agent's token": gateway.agent.token,
        "secret key": gateway.secret_key,
    }


def bodies_of(gateway: Gateway) -> set[str]:
    """Every text in both directions and what the agent said, and the mark that makes each one unique."""
    heard = [message.body for message in gateway.twilio.messages]
    bodies = {*gateway.texted, *heard, *gateway.agent.said} - {"NO_REPLY"}
    marks = {mark for body in bodies for mark in re.findall(r"\b[0-9a-f]{10}\b", body)}
    return {body.strip() for body in bodies if body.strip()} | marks
