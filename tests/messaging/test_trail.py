"""One MessageSid leads from the webhook to the delivery."""

import logging
from collections.abc import Iterator

import pytest
from twilio.request_validator import RequestValidator

from openclaw_sms.messaging import trail
from openclaw_sms.messaging.trail import Trail
from project.logs import RedactingFormatter
from tests.support import cast
from tests.support.phone import Phone, post
from tests.support.pretend_twilio import PretendTwilio

pytestmark = pytest.mark.django_db


class Lines(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.addFilter(Trail())
        self.setFormatter(RedactingFormatter("%(message)s"))
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


@pytest.fixture
def log() -> Iterator[list[str]]:
    handler, logger = Lines(), logging.getLogger("openclaw_sms")
    logger.addHandler(handler)
    yield handler.lines
    logger.removeHandler(handler)


def events_with(sid: str, lines: list[str]) -> list[str]:
    return [line.split()[0] for line in lines if sid in line]


def test_a_whole_journey_is_found_by_its_sid(
    alice: Phone, twilio: PretendTwilio, log: list[str], django_capture_on_commit_callbacks: object
) -> None:
    with django_capture_on_commit_callbacks(execute=True):  # type: ignore[operator]
        alice.texts("hello", MessageSid="SMalices")
    sent = twilio.messages_to(cast.ALICE)[0]
    report = {"MessageSid": sent.sid, "AccountSid": cast.ACCOUNT_SID, "MessageStatus": "delivered"}
    post(report, RequestValidator(cast.AUTH_TOKEN).compute_signature(cast.PUBLIC_URL, report))
    # In a test's transaction commits, and with them the turn's line, come last.
    assert sorted(events_with("SMalices", log)) == [
        "delivery.reported",
        "part.accepted",
        "text.accepted",
        "turn.finished",
    ]
    assert all(cast.ALICE not in line for line in log)


def test_what_is_no_sid_is_not_carried(caplog: pytest.LogCaptureFixture) -> None:
    with trail.following("SM1\nforged line"):
        record = logging.LogRecord("x", logging.INFO, __file__, 1, "a.b", None, None)
        Trail().filter(record)
    assert vars(record)["in_reply_to"] == ""
