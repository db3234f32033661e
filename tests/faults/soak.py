"""A soak: 10,000 signed posts, a fifth of them repeated, and forgeries in between; at the end the books are exact.

    python -m tests.faults.soak [--engines sqlite|postgres/redis] [--posts 10000]

Everything stays on this machine. The numbers it prints are docs/reliability.md's; exit status 1 says what is wrong.
"""

import argparse
import random
import secrets
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.conftest import engines_of
from tests.faults.installation import Installation
from tests.faults.test_overload import resident
from tests.support.gateway import AS_TWILIO_DOES, Delivery, FakePhone, new_sid
from tests.support.pretend_agent import PretendAgent
from tests.support.pretend_twilio import PretendTwilio
from tests.support.services import stop_started_services

OUR_NUMBER = "+15550009999"
# The product's defaults.
THREADS = {"SMS_WORKER_THREADS": "16", "SMS_WEB_THREADS": "8"}
AGENT = "tests.faults.agents:repeat"
SENDERS = 100
POSTERS = 8
REPEATED = 0.20
FORGED = 0.05
SETTLE_LIMIT = 1800.0


@dataclass
class Tally:
    """What was posted, what was answered, and how long an answer took, in seconds."""

    texts: dict[str, list[str]] = field(default_factory=dict)
    answers: Counter[tuple[str, int]] = field(default_factory=Counter)
    waits: list[float] = field(default_factory=list)

    def post(self, kind: str, phone: FakePhone, words: str, sid: str, delivery: Delivery = AS_TWILIO_DOES) -> None:
        began = time.monotonic()
        status = phone.texts(words, delivery, sid=sid).status
        self.waits.append(time.monotonic() - began)
        self.answers[kind, status] += 1

    def percentile(self, share: float) -> float:
        return sorted(self.waits)[int(len(self.waits) * share)]


def text_away(phone: FakePhone, tally: Tally, posts: int, seed: int) -> None:
    """One sender's posts, one after the other: new texts, repetitions of earlier ones, forgeries."""
    dice = random.Random(seed)
    sent: list[tuple[str, str]] = []
    repeats = dice.sample(range(1, posts), round(posts * REPEATED))
    for number in range(posts):
        if number in repeats:
            words, sid = dice.choice(sent)
            tally.post("repeated", phone, words, sid)
        else:
            words, sid = f"text {number} of {seed}", new_sid()
            sent.append((words, sid))
            tally.post("new", phone, words, sid)
        if dice.random() < FORGED:
            tally.post("forged", phone, "forged", new_sid(), Delivery(signature="forged"))
    tally.texts[phone.number] = [words for words, _ in sent]


def soak(installation: Installation, posts: int) -> list[str]:
    """Post, wait, compare. Prints the numbers; gives what is wrong."""
    phones, tally = installation.phones(SENDERS), Tally()
    began = time.monotonic()
    with ThreadPoolExecutor(POSTERS) as pool:
        for seed, phone in enumerate(phones):
            pool.submit(text_away, phone, tally, posts // SENDERS, seed)
    acked = time.monotonic()
    books = installation.books()
    books._wait_until_settled(SETTLE_LIMIT)
    settled = time.monotonic()
    show(installation, tally, acked - began, settled - began)
    return faults_in(installation, tally)


def show(installation: Installation, tally: Tally, to_ack: float, to_settle: float) -> None:
    posts = sum(tally.answers.values())
    print(
        f"posts               {posts}: {', '.join(f'{n} {k} -> {s}' for (k, s), n in sorted(tally.answers.items()))}"
    )
    print(f"acked in            {to_ack:.0f} s, {posts / to_ack:.0f} a second")
    median, late = tally.percentile(0.5) * 1000, tally.percentile(0.99) * 1000
    print(f"answer to a post    {median:.0f} ms median, {late:.0f} ms p99")
    print(f"all replies out in  {to_settle:.0f} s, {len(installation.twilio.messages) / to_settle:.0f} a second")
    print(f"memory              {resident(installation.gateway) // 1024**2} MB")


def faults_in(installation: Installation, tally: Tally) -> list[str]:
    """Sentences; none when the books are exact."""
    heard: dict[str, list[str]] = {number: [] for number in tally.texts}
    for message in installation.twilio.messages:
        heard[message.to].append(message.body)
    wrong = [
        f"{number} heard something else" for number, texts in tally.texts.items() if heard[number] != echoed(texts)
    ]
    expected = sum(len(texts) for texts in tally.texts.values())
    states = installation.rows("SELECT state, count(*) FROM openclaw_sms_inboundmessage GROUP BY state")
    if states != [("answered", expected)]:
        wrong.append(f"rows: {states}, expected {expected} answered")
    if {status for kind, status in tally.answers if kind == "forged"} - {403}:
        wrong.append("a forgery got in")
    if {status for kind, status in tally.answers if kind != "forged"} - {200}:
        wrong.append("a signed post was not taken")
    print(
        f"books               {expected} texts, {sum(map(len, heard.values()))} replies, {len(wrong)} discrepancies"
    )
    return wrong


def echoed(texts: list[str]) -> list[str]:
    return [f"You said: {words}" for words in texts]


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engines", default="sqlite", choices=["sqlite", "postgres/redis", "postgres/postgres"])
    parser.add_argument("--posts", type=int, default=10_000)
    chosen = parser.parse_args(arguments)
    with ExitStack() as stack:
        stack.callback(stop_started_services)
        data_dir = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sms-soak-")))
        urls = engines_of(chosen.engines, data_dir, stack)
        twilio = PretendTwilio(f"AC{secrets.token_hex(16)}", secrets.token_hex(16), OUR_NUMBER)
        stack.enter_context(twilio)
        agent = stack.enter_context(PretendAgent(token="not asked"))
        also = {"SMS_AGENT": AGENT, **THREADS}
        installation = stack.enter_context(Installation(twilio, agent, data_dir, *urls, also))
        print(f"engines             {chosen.engines}")
        wrong = soak(installation, chosen.posts)
    print("\n".join(wrong))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
