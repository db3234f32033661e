from collections.abc import Iterator

import pytest
from pytest_django.fixtures import Settings

from openclaw_sms.config import accounts
from openclaw_sms.config.accounts import Account
from openclaw_sms.models import AllowedSender, SenderSource
from tests.messaging import agents
from tests.support import cast
from tests.support.phone import Phone
from tests.support.pretend_twilio import PretendTwilio


@pytest.fixture(autouse=True)
def agent(settings: Settings) -> Iterator[None]:
    settings.SMS_AGENT = "tests.messaging.agents:scripted"
    agents.asked.clear()
    agents.answers.clear()
    yield
    agents.asked.clear()
    agents.answers.clear()


@pytest.fixture(autouse=True)
def nobody_waits_for_the_pace(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A number as fast as the tests, except where the pace is what is tested."""
    if "pace" not in request.node.path.stem:
        monkeypatch.setattr(accounts, "DEFAULT_SEGMENTS_PER_SECOND", 10_000.0)


@pytest.fixture
def alice(account: Account, twilio: PretendTwilio) -> Phone:
    """A phone whose number the owner has approved."""
    AllowedSender.objects.create(account_id=account.pk, number=cast.ALICE, source=SenderSource.PAIRING)
    return Phone(cast.ALICE, account)


@pytest.fixture
def bob(account: Account, twilio: PretendTwilio) -> Phone:
    """A stranger's phone."""
    return Phone(cast.BOB, account)
