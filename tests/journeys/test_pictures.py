"""Pictures through a real gateway: in to the agent, out to the phone, and nowhere that they should not go."""

import base64
import json
import secrets
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.support.gateway import HEARING_LIMIT, PUBLIC_URL, FakePhone, Gateway, unique
from tests.support.loopback import Answer, LoopbackServer, Request
from tests.support.pictures import JPEG, png
from tests.support.pretend_agent import PretendAgent, Said
from tests.support.pretend_twilio import HeldMedia, PretendTwilio

pytestmark = pytest.mark.processes


def sends(phone: FakePhone, words: str, *files: tuple[bytes, str]) -> list[HeldMedia]:
    """Text files; Twilio keeps them for the gateway to fetch."""
    sid = f"MM{secrets.token_hex(16)}"
    held = [phone.gateway.twilio.holds(sid, *file) for file in files]
    fields: dict[str, Any] = {"NumMedia": str(len(held))}
    for number, each in enumerate(held):
        fields |= {f"MediaUrl{number}": each.url, f"MediaContentType{number}": each.content_type}
    assert phone.texts(words, sid=sid, **fields).status == 200
    return held


def paints(picture: bytes) -> Said:
    url = f"data:image/png;base64,{base64.b64encode(picture).decode()}"
    return [{"type": "text", "text": "**Here** it is."}, {"type": "image_url", "image_url": {"url": url}}]


def test_a_picture_reaches_the_agent_and_its_picture_comes_back(
    alice: FakePhone, twilio: PretendTwilio, agent: PretendAgent
) -> None:
    theirs, ours = png((1, 2, 3)), png((4, 5, 6))
    agent.replies(lambda turn: paints(ours))
    sends(alice, words := unique("what is this?"), (theirs, "image/png"), (JPEG, "image/jpeg"))

    heard = alice.hears()
    assert heard.body == "Here it is."
    [asked] = [turn for turn in agent.turns_of(alice.number) if turn.text == words]
    assert asked.pictures == [("image/png", theirs), ("image/jpeg", JPEG)]
    [address] = heard.media_urls
    assert address.startswith(f"{PUBLIC_URL}/media/")
    assert twilio.fetches(address, "HEAD").body == b""
    served = twilio.fetches(address)
    assert (served.status, served.headers["content-type"], served.body) == (200, "image/png", ours)
    assert twilio.fetches(address[:-1] + ("A" if address[-1] != "A" else "B")).status == 404
    assert twilio.fetches(address, "POST").status == 405


class Bystander(LoopbackServer):
    """A service of this machine that no text has any business with."""

    def __init__(self) -> None:
        super().__init__()
        self.requests: list[Request] = []

    def answer(self, request: Request) -> Answer:
        self.requests.append(request)
        return Answer(200, png(), {"Content-Type": "image/png"})


def test_a_redirect_to_a_private_address_is_never_followed(
    alice: FakePhone, twilio: PretendTwilio, agent: PretendAgent
) -> None:
    with Bystander() as bystander:
        sid = f"MM{secrets.token_hex(16)}"
        held = twilio.holds(sid, png())
        held.elsewhere = f"{bystander.origin}/secret"
        words = unique("look")
        alice.texts(words, sid=sid, NumMedia="1", MediaUrl0=held.url, MediaContentType0="image/png")
        alice.hears()
        assert held.asked == 1
        assert bystander.requests == []
    assert agent.was_asked("[1 picture could not be fetched: Twilio pointed to an address that is not its own]")


def test_a_stranger_has_nothing_fetched(bob: FakePhone, twilio: PretendTwilio) -> None:
    [held] = sends(bob, "", (png(), "image/png"))
    bob.hears()
    assert held.asked == 0


def test_a_kill_while_fetching_fetches_again(
    gateway: Gateway, alice: FakePhone, twilio: PretendTwilio, agent: PretendAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    reached, killed = threading.Event(), threading.Event()
    serve = twilio._serve

    def hesitates(held: HeldMedia | None) -> Answer:
        reached.set()
        killed.wait(HEARING_LIMIT)
        return serve(held)

    monkeypatch.setattr(twilio, "_serve", hesitates)
    [held] = sends(alice, words := unique("survive"), (png(), "image/png"))
    assert reached.wait(HEARING_LIMIT)
    gateway.kill()
    killed.set()
    gateway.start()
    alice.hears()
    turns = [turn for turn in agent.turns_of(alice.number) if turn.text == words]
    assert [turn.pictures for turn in turns] == [[("image/png", png())]]
    assert held.asked == 2
    assert alice.unheard() == []


def test_the_command_sends_a_file_and_refuses_what_is_private(
    gateway: Gateway, alice: FakePhone, twilio: PretendTwilio, tmp_path: Path
) -> None:
    (tmp_path / "picture").write_bytes(JPEG)
    command = ["message", "send", "--target", f"sms:{alice.number}", "--message", unique("look")]
    sent = gateway.manage(*command, "--media", str(tmp_path / "picture"), "--json")
    assert sent.returncode == 0, sent.stderr
    assert json.loads(sent.stdout)["media"] == [{"contentType": "image/jpeg", "size": len(JPEG)}]
    assert twilio.fetches(alice.hears().media_urls[0]).body == JPEG

    refused = gateway.manage(*command, "--media", "https://192.168.0.1/cat.png")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert len(refused.stderr.strip().splitlines()) == 1
    assert alice.unheard() == []
