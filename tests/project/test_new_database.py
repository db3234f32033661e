"""The first command on a new machine may be any: it finds no tables, and makes them."""

from pathlib import Path

import pytest

from tests.project.test_bad_settings import run

DOCUMENT = '{ channels: { sms: { dmPolicy: "allowlist", allowFrom: ["+15557654321"] } } }'


@pytest.mark.processes
def test_a_document_can_be_applied_before_anything_was_started(tmp_path: Path) -> None:
    (tmp_path / "sms.json5").write_text(DOCUMENT)
    applied = run(tmp_path, {}, "config", "patch", "--file", str(tmp_path / "sms.json5"))
    assert (applied.returncode, applied.stderr) == (0, "")
    told = run(tmp_path, {}, "config", "get", "channels.sms.dmPolicy")
    assert "allowlist" in told.stdout


@pytest.mark.processes
def test_nobody_waits_on_a_new_machine(tmp_path: Path) -> None:
    listed = run(tmp_path, {}, "pairing", "list", "sms", "--json")
    assert (listed.returncode, listed.stderr) == (0, "")
    assert '"requests": []' in listed.stdout
