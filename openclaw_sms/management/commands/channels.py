"""`manage.py channels …`: how the accounts stand, setting one up, and what was put aside.

Each subcommand is a module of `openclaw_sms.management.channels`; whatever is there is offered.
"""

import importlib
import pkgutil
from typing import Any

from django.core.management.base import CommandParser

from openclaw_sms.management import channels
from openclaw_sms.management.base import GatewayCommand


class Command(GatewayCommand):
    help = "List, probe, set up and add the channel's accounts."

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="subcommand", required=True)
        for module in pkgutil.iter_modules(channels.__path__):
            register = getattr(importlib.import_module(f"{channels.__name__}.{module.name}"), "register", None)
            if register is not None:
                register(actions)

    def run_command(self, **options: Any) -> None:
        options["run"](self.stdout, options)
