from datetime import timedelta

import pytest
from django.utils import timezone

from openclaw_sms.config.accounts import Account
from openclaw_sms.messaging import instance
from openclaw_sms.models import WorkerHeartbeat
from tests.support import cast
from tests.support.pretend_twilio import PretendTwilio

SERVICE = "MG" + "2" * 32


@pytest.fixture
def worker_lives(db: None) -> None:
    now = timezone.now()
    WorkerHeartbeat.objects.create(
        instance=instance.current().id, started_at=now - timedelta(minutes=1), seen_at=now, threads=1
    )


@pytest.fixture
def healthy(account: Account, twilio: PretendTwilio, worker_lives: None) -> PretendTwilio:
    """Everything as it should be: a worker lives, and Twilio posts to our public URL."""
    twilio.account.number["sms_url"] = cast.PUBLIC_URL
    return twilio
