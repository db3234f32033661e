"""`manage.py sandbox`: the gateway with a pretend Twilio, and pretend phones to text it from."""

import os
import socket
import sys
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.core.management.base import CommandError, CommandParser

from openclaw_sms.config import accounts, sources
from openclaw_sms.management.base import GatewayCommand, port_number
from openclaw_sms.management.server import AddressTaken
from openclaw_sms.sandbox import state
from openclaw_sms.sandbox.state import Sandbox

# The names of this machine that settings allow as a Host header.
HOSTS = ("127.0.0.1", "localhost", "::1")


class Command(GatewayCommand):
    help = "Try the gateway without a Twilio account: a pretend Twilio on this machine, with phones to text from."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("action", nargs="?", choices=["run", "off"], default="run")
        parser.add_argument("--host", choices=HOSTS, default=HOSTS[0], help="this machine only")
        parser.add_argument("--port", type=port_number, default=8000)

    def run_command(self, **options: Any) -> None:
        if options["action"] == "off":
            self._turn_off()
        else:
            self._run(options["host"], options["port"])

    def _run(self, host: str, port: int) -> None:
        """Migrate, turn the sandbox on, and become the gateway: a process reads at its start whether it is on."""
        refuse_real_credentials()
        refuse_taken_port(host, port)
        call_command("migrate", interactive=False, verbosity=0)
        refuse_real_accounts()
        sandbox = state.turn_on(settings.SMS_SANDBOX_FILE, host=host, port=port)
        ensure_login(sandbox)
        become_gateway(host, port)

    def _turn_off(self) -> None:
        """The login is kept: whoever goes on to a real number would otherwise be locked out of the console."""
        if not state.turn_off(settings.SMS_SANDBOX_FILE):
            self.stdout.write("The sandbox is off already.")
            return
        self.stdout.write(
            "The sandbox is off. A gateway that is still running keeps it until it is stopped. "
            f"The login {state.LOGIN} stays: change its password with `manage.py changepassword {state.LOGIN}`."
        )


def refuse_real_credentials() -> None:
    if sources.names_an_account():
        raise CommandError(
            "TWILIO_… variables are set, and the sandbox never runs beside real credentials: unset them, "
            "or run `manage.py gateway`."
        )


def refuse_real_accounts() -> None:
    """An account from the console would have its texts swallowed by the pretend Twilio, token and all."""
    real = [each.id for each in accounts.load().by_id.values() if each.id != accounts.SANDBOX_ID and each.configured]
    if real:
        raise CommandError(
            f"The account {real[0]} has Twilio credentials, and the sandbox never runs beside real ones: "
            "name another SMS_DATA_DIR, or delete the account in the console."
        )


def refuse_taken_port(host: str, port: int) -> None:
    """Before anything is changed: a sandbox that cannot start must not turn itself on."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            raise CommandError(str(AddressTaken(host, port))) from None


def ensure_login(sandbox: Sandbox) -> None:
    """An operator who may do everything. A password that fits is left alone, so that sessions survive a restart."""
    user, is_new = get_user_model().objects.get_or_create(
        username=sandbox.login, defaults={"is_staff": True, "is_superuser": True}
    )
    if is_new or not user.check_password(sandbox.password):
        user.set_password(sandbox.password)
        user.save()


def become_gateway(host: str, port: int) -> None:
    """Replace this process with `manage.py gateway`. Does not return."""
    sys.stdout.flush()
    sys.stderr.flush()
    manage = str(settings.BASE_DIR / "manage.py")
    os.execv(sys.executable, [sys.executable, manage, "gateway", "--host", host, "--port", str(port)])  # noqa: S606
