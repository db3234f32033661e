"""`config validate`: everything that is wrong with what is stored, and with the environment."""

from collections.abc import Iterator
from dataclasses import dataclass

from openclaw_sms.config import accounts, document, sources, validation
from openclaw_sms.config.kinds import UNREADABLE
from openclaw_sms.config.sources import ConfigurationError
from openclaw_sms.config.validation import Document
from openclaw_sms.models.fields import WrongEncryptionKey


@dataclass(frozen=True, slots=True)
class Verdict:
    problems: tuple[str, ...]
    notes: tuple[str, ...]


def of_everything() -> Verdict:
    stored = document.stored()
    environment = sources.problems(accounts.default_region())
    problems = [*environment, *_stored_problems(stored, environment), *_unreadable(stored)]
    return Verdict(tuple(dict.fromkeys(problems)), tuple(validation.notes(stored)))


def _stored_problems(stored: Document, environment: list[str]) -> Iterator[str]:
    try:
        yield from validation.check(stored).problems
        accounts.refuse_sandbox_beside_real_credentials()
    except ConfigurationError as error:
        if str(error) not in environment:
            yield str(error)


def _unreadable(stored: Document) -> Iterator[str]:
    for path, value in document.leaves(stored):
        if value is UNREADABLE:
            yield f"{path}: {WrongEncryptionKey()}"
