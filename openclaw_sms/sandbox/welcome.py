"""What the owner reads when the sandbox is up: where to click, how to log in, what to type."""

from typing import Any

from openclaw_sms.sandbox import state

APPROVE_COMMAND = ".venv/bin/python manage.py pairing approve sms"


def welcome(settings: Any) -> str:
    """Exactly three lines, for the terminal. `settings`: Django's, with the sandbox on."""
    sandbox = state.of(settings.SMS_SANDBOX)
    return (
        f"Simulator  {sandbox.simulator_url}\n"
        f"Console    {sandbox.console_url}  (log in as {sandbox.login} with the password {sandbox.password})\n"
        f"Now        Text hello in the simulator, then approve it in the console or run: {APPROVE_COMMAND} CODE"
    )
