"""What all commands share: one sentence on stderr and exit status 1 when something is refused, never a traceback."""

import getpass
import logging
from argparse import ArgumentTypeError
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, connection

from openclaw_sms.access.audit import Actor
from openclaw_sms.access.pairing import PairingError
from openclaw_sms.access.tokens import TokenError
from openclaw_sms.agents.base import AgentError
from openclaw_sms.config.sources import ConfigurationError
from openclaw_sms.messaging.dead_letters import NoSuchText
from openclaw_sms.messaging.decisions import AlreadyDecided, Erased
from openclaw_sms.messaging.erasure import NothingStored, StillBusy
from openclaw_sms.messaging.gate import Withheld
from openclaw_sms.text.phone import InvalidNumber
from openclaw_sms.twilio.client import InsecureApiBase

# Errors whose message is a sentence for the operator.
REFUSALS = (
    AgentError,
    AlreadyDecided,
    Erased,
    ConfigurationError,
    ImproperlyConfigured,
    NothingStored,
    StillBusy,
    InsecureApiBase,
    InvalidNumber,
    NoSuchText,
    PairingError,
    TokenError,
    Withheld,
)


class GatewayCommand(BaseCommand):
    requires_system_checks: list[str] = []
    logs = False  # a server's events are for its log; a short command says what it has to say itself

    def handle(self, *args: Any, **options: Any) -> str | None:
        try:
            begin_new_database()
            with nullcontext() if self.logs else quiet():
                self.run_command(**options)
        except REFUSALS as error:
            raise CommandError(str(error)) from None
        except DatabaseError as error:
            raise CommandError(
                f"The database could not be used ({type(error).__name__}): check DATABASE_URL, "
                "and run `manage.py migrate` if it is new."
            ) from None
        return None

    def run_command(self, **options: Any) -> None:
        raise NotImplementedError


def begin_new_database() -> None:
    """Make the tables of a database that has none yet: the first command may be any, `config patch` above all.

    One that is merely behind is left to the gateway's start, or to `manage.py migrate`.
    """
    if not connection.introspection.table_names():
        call_command("migrate", interactive=False, verbosity=0, skip_checks=True)


def port_number(word: str) -> int:
    """A --port. waitress would take a larger number for one that fits."""
    if not (word.isascii() and word.isdigit() and 0 < int(word) < 65_536):
        raise ArgumentTypeError("give a number from 1 to 65535")
    return int(word)


@contextmanager
def quiet() -> Iterator[None]:
    logger = logging.getLogger("openclaw_sms")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)


def shell_actor() -> Actor:
    """Whoever runs the command, by login name."""
    try:
        return Actor.at_shell(getpass.getuser())
    except (KeyError, OSError):
        return Actor.at_shell("unknown")
