from types import SimpleNamespace

from openclaw_sms.sandbox.state import Sandbox
from openclaw_sms.sandbox.welcome import welcome


def test_it_is_three_lines_simulator_console_and_what_to_type() -> None:
    sandbox = Sandbox("http://127.0.0.1:8123", "AC1", "token", password="abcd-efgh-jkmn")
    simulator, console, now = welcome(SimpleNamespace(SMS_SANDBOX=sandbox.as_settings())).splitlines()
    assert "http://127.0.0.1:8123/sandbox/" in simulator
    assert "http://127.0.0.1:8123/admin/" in console
    assert "operator" in console
    assert "abcd-efgh-jkmn" in console
    assert now.endswith(
        "Text hello in the simulator, then approve it in the console or run: "
        ".venv/bin/python manage.py pairing approve sms CODE"
    )
