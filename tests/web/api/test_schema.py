"""The schema tells the truth: what schemathesis makes of it draws no server error and no answer that
the schema does not hold.

Few examples and one seed, so that it takes seconds and finds the same each time.
"""

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from django.core.handlers.wsgi import WSGIHandler
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from django.utils import timezone
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as seeded
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from openclaw_sms.config.accounts import Account
from openclaw_sms.models import Conversation, InboundMessage, InboundState, PairingRequest, SmsAccount
from tests.support import cast
from tests.web.api.conftest import Enter

pytestmark = pytest.mark.django_db
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
EXAMPLES = 12
PHASES = (Phase.explicit, Phase.generate)


@pytest.fixture
def api(token: str) -> Iterator[Any]:
    """The API as its server runs it. A request must not close the connection, which is the test's transaction."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield schemathesis.openapi.from_wsgi("/api/v1/schema/", WSGIHandler())
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


@pytest.fixture
def token(program: Enter, account: Account, alice: str, settings: Any) -> str:
    """An administrator's, with something in every list. One conversation, text and request that an id may hit."""
    settings.SMS_API_PER_MINUTE = 1_000_000
    now = timezone.now()
    SmsAccount.objects.update(default_to=alice, initiate_to=["*"])
    Conversation.objects.create(pk=1, account_id=account.pk, sender=alice, last_activity_at=now)
    InboundMessage.objects.create(
        account_id=account.pk, sid="0", sender=alice, body="hi", form=b"", state=InboundState.PARKED, received_at=now
    )
    PairingRequest.objects.create(
        account_id=account.pk, sender=cast.BOB, code="0", created_at=now, last_seen_at=now, expires_at=now
    )
    admin = program("admin")
    for _ in range(2):
        admin.post("messages", {"text": "hi"})
    admin.post("allowed-senders", {"number": cast.BOB})
    return admin.token


def test_what_it_says_is_what_happens(api: Any, token: str) -> None:
    for operation in api.get_all_operations():
        _try(operation.ok(), {"Authorization": f"Bearer {token}"})


def _try(operation: Any, headers: dict[str, str]) -> None:
    """Ask what the schema allows, a few times over, and hold the answers to it."""

    @seeded(8)
    @settings(
        max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck), phases=PHASES
    )
    @given(case=operation.as_strategy())
    def ask(case: Any) -> None:
        response = case.call(headers=headers)
        case.validate_response(response, checks=CHECKS)

    ask()


def test_covers_every_path(api: Any) -> None:
    operations = {(operation.ok().method, operation.ok().path) for operation in api.get_all_operations()}
    assert len(operations) == 19
    assert api.raw_schema["openapi"].startswith("3.1")
    assert not any("webhook" in path or "sandbox" in path for _, path in operations)
