"""`manage.py gateway`: web server and worker, one command, one machine."""

from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import CommandError, CommandParser

from openclaw_sms.config import accounts
from openclaw_sms.management.base import GatewayCommand, port_number
from openclaw_sms.management.server import AddressTaken, Gateway
from openclaw_sms.sandbox import state
from openclaw_sms.sandbox.welcome import welcome


class Command(GatewayCommand):
    logs = True
    help = "Serve Twilio's webhooks and the console, and answer texts, until told to stop."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--host", default="127.0.0.1")
        parser.add_argument("--port", type=port_number, default=8000)

    def run_command(self, **options: Any) -> None:
        refuse_another_address(options["host"], options["port"])
        call_command("migrate", interactive=False, verbosity=0)
        try:
            gateway = Gateway(options["host"], options["port"])
        except AddressTaken as error:
            raise CommandError(str(error)) from None
        gateway.run(ready=self._welcome)

    def _welcome(self) -> None:
        if settings.SMS_SANDBOX:
            self.stdout.write(welcome(settings))
            self.stdout.flush()


def refuse_another_address(host: str, port: int) -> None:
    """The pretend Twilio posts to the address that the sandbox was turned on for, and to no other."""
    accounts.refuse_sandbox_beside_real_credentials()
    if not settings.SMS_SANDBOX:
        return
    here = state.address(host, port)
    if here != settings.SMS_SANDBOX["address"]:
        raise CommandError(
            f"The sandbox is on, at {settings.SMS_SANDBOX['address']}: "
            f"start it with `manage.py sandbox --port {port}`, or turn it off with `manage.py sandbox off`."
        )
