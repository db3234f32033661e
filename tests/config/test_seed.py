"""Every JSON5 block of the reference channel's page on SMS applies as it stands. `seed/` holds them word for word."""

from io import StringIO
from pathlib import Path

import pytest
from django.core.management import call_command

from openclaw_sms.config import accounts, document
from openclaw_sms.models import AuditEvent, ChannelSettings, SmsAccount

pytestmark = pytest.mark.django_db

BLOCKS = sorted((Path(__file__).parent / "seed").glob("*.json5"))
TOKEN = "twilio-auth-token"


def patched(block: Path, *options: str) -> str:
    out = StringIO()
    call_command("config", "patch", "--file", str(block), *options, stdout=out)
    return out.getvalue()


def test_all_blocks_are_here() -> None:
    assert len(BLOCKS) == 9


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.stem)
def test_a_block_applies_to_a_fresh_database(block: Path) -> None:
    said = patched(block, "--dry-run")
    assert said.endswith("Dry run: nothing was changed.\n")
    assert not any(model.objects.exists() for model in (ChannelSettings, SmsAccount, AuditEvent))

    assert patched(block) == said.replace(
        "Dry run: nothing was changed.", "Applied. A running gateway follows within seconds."
    )
    assert TOKEN not in said
    assert AuditEvent.objects.get().action == "config.patched"
    assert patched(block) == "Nothing to change: the configuration says this already.\n"
    assert AuditEvent.objects.count() == 1


def test_all_blocks_apply_one_after_the_other() -> None:
    for block in BLOCKS:
        patched(block)

    known = accounts.load()
    assert set(known.by_id) == {"default", "support"}
    support = known.by_id["support"]
    assert (support.webhook_path, support.dm_policy.value) == ("/webhooks/sms/support", "allowlist")
    assert support.allow_from == {"+15557654321"}
    assert known.by_id["default"].messaging_service_sid == "MG" + "x" * 32, "keys that a patch leaves out stay"
    assert known.conflicts == ()


def test_a_reference_takes_the_tokens_place_and_the_token_the_references() -> None:
    token, ref = BLOCKS[0], BLOCKS[3]
    patched(token)
    patched(ref)
    row = ChannelSettings.objects.get()
    assert (row.auth_token, row.auth_token_ref) == (
        None,
        {"source": "env", "provider": "default", "id": "TWILIO_AUTH_TOKEN"},
    )

    patched(token)
    row.refresh_from_db()
    assert (row.auth_token, row.auth_token_ref) == (TOKEN, None)
    assert document.stored()["channels"]["sms"]["authToken"] == TOKEN
