"""Programs from outside: a real gateway, an HTTP client, a receiver of events, a webhook agent and an MCP client."""

import asyncio
import base64
import json
import secrets
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client
from standardwebhooks.webhooks import Webhook

from tests.journeys.conftest import ENGINES, OUR_NUMBER, _engines
from tests.support.gateway import REPOSITORY, FakePhone, Gateway, unique
from tests.support.loopback import Answer, LoopbackServer, Request, send
from tests.support.pretend_agent import PretendAgent
from tests.support.pretend_twilio import PretendTwilio

pytestmark = pytest.mark.processes
PATIENCE = 30.0  # seconds


def a_secret() -> str:
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()


class Automation(LoopbackServer):
    """An automation: it takes the texts of the webhook agent and answers each later, and it takes events."""

    def __init__(self) -> None:
        super().__init__()
        self.agent_secret, self.events_secret = a_secret(), a_secret()
        self.texts: list[dict[str, Any]] = []
        self.events: list[dict[str, Any]] = []

    def answer(self, request: Request) -> Answer:
        for_agent = request.path == "/agent"
        verifier = Webhook(self.agent_secret if for_agent else self.events_secret)
        told = verifier.verify(request.body, dict(request.headers))
        with self.changed:
            (self.texts if for_agent else self.events).append(told)
            self.changed.notify_all()
        return Answer(202 if for_agent else 204)

    def waits_for(self, kind: str, **data: object) -> dict[str, Any]:
        """The event of this type with these data."""

        def seen() -> dict[str, Any] | None:
            for event in self.events:
                if event["type"] == kind and data.items() <= event["data"].items():
                    return event
            return None

        event = self.wait_until(seen, PATIENCE)
        assert event is not None, f"no {kind} among {[event['type'] for event in self.events]}"
        return event


class AutomatedGateway(Gateway):
    """A gateway whose agent is the automation."""

    automation: Automation

    @property
    def environment(self) -> dict[str, str]:
        return {
            **super().environment,
            "SMS_AGENT": "webhook",
            "SMS_AGENT_URL": f"{self.automation.origin}/agent",
            "SMS_AGENT_TOKEN": self.automation.agent_secret,
            "SMS_EVENTS_URL": f"{self.automation.origin}/events",
            "SMS_EVENTS_SECRET": self.automation.events_secret,
            "SMS_EVENTS_ALLOW_PRIVATE": "true",
        }


@pytest.fixture(scope="module", params=ENGINES)
def automated(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AutomatedGateway]:
    from contextlib import ExitStack

    data_dir: Path = tmp_path_factory.mktemp(f"automated-{request.param}")
    with ExitStack() as stack:
        database_url, queue_url = _engines(request.param, data_dir, stack)
        account_sid, auth_token = f"AC{secrets.token_hex(16)}", secrets.token_hex(16)
        twilio = stack.enter_context(PretendTwilio(account_sid, auth_token, OUR_NUMBER))
        agent = stack.enter_context(PretendAgent(token="unused"))
        gateway = AutomatedGateway(twilio, agent, data_dir, database_url, queue_url)
        gateway.automation = stack.enter_context(Automation())
        yield stack.enter_context(gateway)


@pytest.fixture(scope="module")
def token(automated: AutomatedGateway) -> str:
    made = automated.manage("tokens", "create", "automation", *("--scope=send", "--scope=read", "--scope=pair"))
    assert made.returncode == 0, made.stderr
    return made.stdout.strip()


@pytest.fixture(scope="module")
def alice(automated: AutomatedGateway, token: str) -> FakePhone:
    """Alice, let in by the automation itself, with the code in the event."""
    phone = automated.new_phone()
    phone.texts(unique("may I come in"))
    asked = automated.automation.waits_for("pairing.requested", sender=phone.number)
    approved = post(automated, token, "pairing/approve", {"code": asked["data"]["code"]})
    assert approved.status == 200, approved.text
    phone.hears()
    return phone


def post(gateway: Gateway, token: str, path: str, body: object, **headers: str) -> Answer:
    given = {"Authorization": f"Bearer {token}", "Content-Type": "application/json", **headers}
    return send(gateway.address, "POST", f"/api/v1/{path}", body=json.dumps(body).encode(), headers=given)


def told(result: Any) -> Any:
    """The JSON object a tool gave."""
    return json.loads(result.content[0].text)


def get(gateway: Gateway, token: str, path: str) -> Any:
    answer = send(gateway.address, "GET", f"/api/v1/{path}", headers={"Authorization": f"Bearer {token}"})
    assert answer.status == 200, answer.text
    return json.loads(answer.text)


def test_a_program_texts_somebody_once_however_often_it_repeats_itself(
    automated: AutomatedGateway, token: str, alice: FakePhone
) -> None:
    phone, text = alice.again(), unique("your order is ready")
    body = {"to": phone.number, "text": f"**{text}**"}
    answers = [
        post(automated, token, "messages", body, **{"Idempotency-Key": text.replace(" ", "-")}) for _ in range(3)
    ]

    assert [answer.status for answer in answers] == [202] * 3
    assert len({answer.text for answer in answers}) == 1
    heard = phone.hears()
    assert heard.body == text
    assert phone.unheard(within=1.0) == []

    automated.twilio.calls_back(heard, "sent", "delivered")
    message = json.loads(answers[0].text)["id"]
    told = automated.automation.waits_for("message.delivered", id=message)
    assert told["data"]["text"] == text
    assert get(automated, token, f"messages/{message}")["state"] == "delivered"


def test_an_agent_behind_a_webhook_answers_later(automated: AutomatedGateway, token: str, alice: FakePhone) -> None:
    phone, text = alice.again(), unique("what is for dinner")
    phone.texts(text)
    automation = automated.automation
    asked = automation.wait_until(lambda: [t for t in automation.texts if t["data"]["text"] == text], PATIENCE)
    assert asked
    sid = asked[0]["data"]["sid"]
    answered = post(automated, token, "messages", {"inReplyTo": sid, "text": "_Soup_"})

    assert answered.status == 202, answered.text
    assert phone.hears().body == "Soup"
    automation.waits_for("text.answered", inReplyTo=sid)
    assert get(automated, token, f"received/{sid}")["state"] == "answered"
    assert post(automated, token, "messages", {"inReplyTo": sid, "text": "again"}).status == 409
    assert phone.unheard(within=0.5) == []


def test_an_event_outlives_the_gateway(automated: AutomatedGateway, token: str, alice: FakePhone) -> None:
    text = unique("before the lights go out")
    automated.automation.events.clear()
    alice.again().texts(text)
    automated.kill()
    automated.start()
    automated.automation.waits_for("text.received", text=text)


def test_no_number_no_word_and_no_secret_is_in_the_log(
    automated: AutomatedGateway, token: str, alice: FakePhone
) -> None:
    log = automated.log
    assert "event.posted" in log
    automation = automated.automation
    for secret in (token, automation.agent_secret[6:], automation.events_secret[6:], alice.number, *automated.texted):
        assert secret not in log


def test_the_official_mcp_client_sends_and_reads(automated: AutomatedGateway, token: str, alice: FakePhone) -> None:
    phone, text = alice.again(), unique("from an agent")
    environment = {**automated.environment, "SMS_MCP_TOKEN": token}
    server = StdioServerParameters(
        command=sys.executable, args=["manage.py", "mcp"], env=environment, cwd=str(REPOSITORY)
    )

    async def talk() -> tuple[list[str], Any, Any]:
        async with stdio_client(server) as (reading, writing), ClientSession(reading, writing) as session:
            await session.initialize()
            tools = [tool.name for tool in (await session.list_tools()).tools]
            sent = await session.call_tool("send_sms", {"to": phone.number, "text": text})
            thread = told(sent)["conversation"]
            return tools, sent, await session.call_tool("read_thread", {"thread": thread, "limit": 1})

    tools, sent, read = asyncio.run(talk())
    assert tools == ["send_sms", "list_threads", "read_thread"]
    assert told(sent)["text"] == text
    assert phone.hears().body == text
    assert told(read)["items"][0]["sent"]["text"] == text
