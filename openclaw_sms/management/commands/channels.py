"""`manage.py channels …`: the channel from the operator's side. Each subcommand is a module of `channels`."""

from typing import Any

from django.core.management.base import CommandParser

from openclaw_sms.management.base import GatewayCommand
from openclaw_sms.management.channels import dead_letters


class Command(GatewayCommand):
    help = "Look after the channel."

    def add_arguments(self, parser: CommandParser) -> None:
        subparsers = parser.add_subparsers(dest="subcommand", required=True)
        dead_letters.register(subparsers)

    def run_command(self, **options: Any) -> None:
        options["run"](self.stdout, options)
