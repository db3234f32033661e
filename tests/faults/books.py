"""The books: what Twilio was told we have, against what Twilio was asked to send. One checker for every fault."""

import json
import time
from collections import defaultdict
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from tests.support.gateway import FakePhone, Gateway, execute, new_sid, unique
from tests.support.loopback import Answer

SETTLE_LIMIT = 120.0  # seconds; what is not settled by then is lost, whatever the machine is busy with
ACK_LIMIT = 60.0
POLL = 0.1
GREETING = "You said: "

UNFINISHED = (
    "SELECT (SELECT count(*) FROM openclaw_sms_inboundmessage WHERE state IN ('received', 'processing'))"
    " + (SELECT count(*) FROM openclaw_sms_outboundpart WHERE state IN ('queued', 'sending', 'checking'))"
)


@dataclass(frozen=True, slots=True)
class Acked:
    """A text that was answered 200."""

    sid: str
    words: str


@dataclass
class Books:
    """The texts of some senders, each posted after the one before it was acked. `gateway` is asked about the rest."""

    gateway: Gateway
    acked: dict[str, list[Acked]] = field(default_factory=lambda: defaultdict(list))

    def deliver(self, phone: FakePhone, words: str = "", *, sid: str = "", within: float = ACK_LIMIT) -> Acked:
        """Post one text until it is acked: Twilio, or a proxy in between, comes again with the same sid."""
        text = Acked(sid or new_sid(), words or unique("hello"))
        deadline = time.monotonic() + within
        while (status := _status(phone, text)) != 200:
            assert time.monotonic() < deadline, f"not acked within {within:g} s: {status}"
            time.sleep(POLL)
        self.acked[phone.number].append(text)
        return text

    def deliver_many(self, phones: Iterable[FakePhone], each: int) -> None:
        """Every phone posts `each` texts, one after the other; the phones do not wait for each other."""

        def texts(phone: FakePhone) -> None:
            for _ in range(each):
                self.deliver(phone)

        phones = list(phones)
        with ThreadPoolExecutor(len(phones)) as pool:
            list(pool.map(texts, phones))

    @property
    def count(self) -> int:
        """How many texts were acked so far."""
        return sum(len(texts) for texts in list(self.acked.values()))

    def wait_for(self, number: int, within: float = ACK_LIMIT) -> bool:
        """Whether so many texts were acked in time."""
        deadline = time.monotonic() + within
        while self.count < number and time.monotonic() < deadline:
            time.sleep(0.01)
        return self.count >= number

    def balance(self, within: float = SETTLE_LIMIT, *, parked: int | None = 0) -> None:
        """Wait until nothing is in hand, then compare: every acked text answered once, in order, or parked.

        `parked`: how many may be; None for any number.
        """
        self._wait_until_settled(within)
        letters = self.dead_letters()
        for number, texts in self.acked.items():
            expected = [GREETING + text.words for text in texts if text.sid not in letters]
            heard = [m.body for m in self.gateway.twilio.messages_to(number) if m.body.startswith(GREETING)]
            ours = set(expected)
            assert [body for body in heard if body in ours] == expected, self._complaint(number, expected, heard)
        if parked is not None:
            assert len(letters) == parked, letters

    def dead_letters(self) -> dict[str, str]:
        """Reasons by sid, as the operator's command shows them."""
        listed = self.gateway.manage("channels", "dead-letters", "list", "--json")
        assert listed.returncode == 0, listed.stderr
        return {letter["sid"]: letter["reason"] for letter in json.loads(listed.stdout)["deadLetters"]}

    def unfinished(self) -> int:
        """Texts and parts that somebody is still expected to work on."""
        return int(execute(self.gateway.database_url, UNFINISHED)[0][0])

    def _wait_until_settled(self, within: float) -> None:
        deadline = time.monotonic() + within
        while self.unfinished():
            assert time.monotonic() < deadline, f"unsettled: {self._stuck()}\n{self.gateway.log_tail(40)}"
            time.sleep(POLL)

    def _stuck(self) -> list[tuple[object, ...]]:
        texts = execute(
            self.gateway.database_url,
            "SELECT state, attempts, crashes, next_attempt_at, reason FROM openclaw_sms_inboundmessage "
            "WHERE state IN ('received', 'processing')",
        )
        parts = execute(
            self.gateway.database_url,
            "SELECT state, attempts, checks, next_attempt_at, reason FROM openclaw_sms_outboundpart "
            "WHERE state IN ('queued', 'sending', 'checking')",
        )
        return [*texts[:5], *parts[:5]]

    def _complaint(self, number: str, expected: list[str], heard: list[str]) -> str:
        lost = [body for body in expected if body not in heard]
        doubled = {body for body in heard if heard.count(body) > 1}
        return (
            f"{number}: {len(lost)} lost, {len(doubled)} doubled\n{expected=}\n{heard=}\n{self.gateway.log_tail(40)}"
        )


def _status(phone: FakePhone, text: Acked) -> int | str:
    try:
        answer: Answer = phone.texts(text.words, sid=text.sid)
    except OSError as error:
        return type(error).__name__
    except Exception as error:  # a connection that ends in the middle of an answer
        return type(error).__name__
    return answer.status
