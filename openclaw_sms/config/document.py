"""The configuration as a document, and the rows it is stored in: the same rows that the console shows.

A stored secret stands in the document as itself. Whoever prints a document prints `masked` values.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from django.db import transaction
from django.db.models import Model, ProtectedError

from openclaw_sms.config import providers
from openclaw_sms.config.accounts import DEFAULT_ID, SANDBOX_ID
from openclaw_sms.config.kinds import MASK, REF_FIELDS, UNREADABLE
from openclaw_sms.config.schema import ACCOUNTS, DEFAULT_ACCOUNT, ENABLED, KEYS, ROOT, Key
from openclaw_sms.config.validation import Document
from openclaw_sms.models import AccountSettings, ChannelSettings, SecretProvider, SmsAccount
from openclaw_sms.models.fields import WrongEncryptionKey

PROVIDER_KEYS = ("source", *(name for keys in providers.KEYS.values() for name in keys))
SECRET_COLUMNS = tuple(key.column for key in KEYS.values() if key.secret)


def stored() -> Document:
    """The document that the rows amount to."""
    sms: dict[str, Any] = {}
    channel = ChannelSettings.objects.defer(*SECRET_COLUMNS).first()
    if channel is not None:
        sms.update(_level(channel))
        if channel.enabled is not None:
            sms[ENABLED] = channel.enabled
        if channel.default_account:
            sms[DEFAULT_ACCOUNT] = channel.default_account
    if entries := dict(_entries()):
        sms[ACCOUNTS] = entries
    named = {name: _in_order(each, PROVIDER_KEYS) for name, each in providers.stored().items()}
    return {"channels": {"sms": sms}, "secrets": {"providers": named}}


def lock() -> None:
    """Keep other patches waiting until this transaction ends, so that each is merged into what is really stored."""
    ChannelSettings.objects.only("pk").select_for_update().get_or_create(pk=1)


def store(before: Document, after: Document, *, now: datetime) -> None:
    """Bring the rows from `before` to `after`. Columns that do not differ are not touched."""
    was, now_is = before["channels"]["sms"], after["channels"]["sms"]
    columns = _columns(was, now_is)
    for name, column in ((ENABLED, "enabled"), (DEFAULT_ACCOUNT, "default_account")):
        if was.get(name) != now_is.get(name):
            columns[column] = now_is.get(name)
    if columns:
        ChannelSettings.objects.filter(pk=1).update(**columns)
    _store_accounts(was.get(ACCOUNTS, {}), now_is.get(ACCOUNTS, {}), now)
    _store_providers(before["secrets"]["providers"], after["secrets"]["providers"])


def leaves(document: Document) -> Iterator[tuple[str, Any]]:
    """Each setting with its whole path; and each account and provider, as `{}` before its settings: it is there."""
    sms = document["channels"]["sms"]
    for name, value in sms.items():
        if name != ACCOUNTS:
            yield f"{ROOT}.{name}", value
    groups = [(f"{ROOT}.{ACCOUNTS}", sms.get(ACCOUNTS, {})), (providers.ROOT, document["secrets"]["providers"])]
    for path, group in groups:
        for name, settings in group.items():
            yield f"{path}.{name}", {}
            yield from ((f"{path}.{name}.{key}", value) for key, value in settings.items())


def masked(path: str, value: Any) -> Any:
    """`value` as it may be printed. A reference says where a secret is, and is shown."""
    name = path.rpartition(".")[2]
    if value is UNREADABLE:
        return MASK
    if path.startswith(f"{providers.ROOT}."):
        return dict.fromkeys(value, MASK) if name == "env" and isinstance(value, dict) else value
    if name in KEYS and KEYS[name].secret:
        return value if isinstance(value, dict) or not value else MASK
    return without_password(value) if name == "publicWebhookUrl" and isinstance(value, str) else value


def without_password(url: str) -> str:
    parts = urlsplit(url)
    if parts.password is None:
        return url
    return parts._replace(netloc=f"{parts.username}:{MASK}@{parts.netloc.rpartition('@')[2]}").geturl()


def _entries() -> Iterator[tuple[str, dict[str, Any]]]:
    """The accounts that were declared, and whichever else has settings of its own."""
    for row in SmsAccount.objects.defer(*SECRET_COLUMNS).exclude(account_id=SANDBOX_ID).order_by("account_id"):
        level = _level(row)
        if not row.enabled:
            level[ENABLED] = False
        if row.declared or (level and row.account_id == DEFAULT_ID):
            yield row.account_id, level


def _level(row: AccountSettings) -> dict[str, Any]:
    """What is set at one level, in the order of the schema; `enabled` is the caller's."""
    values = ((name, _stored_value(row, key)) for name, key in KEYS.items())
    return {name: value for name, value in values if value is not None}


def _stored_value(row: AccountSettings, key: Key) -> Any:
    if key.ref_column and (ref := getattr(row, key.ref_column)) is not None:
        return _in_order(ref, REF_FIELDS)
    try:
        return getattr(row, key.column)  # a deferred secret is read here, alone
    except WrongEncryptionKey:
        return UNREADABLE


def _in_order(settings: Mapping[str, Any], order: Sequence[str]) -> dict[str, Any]:
    """`settings` as people write them: PostgreSQL keeps an object's keys in an order of its own."""
    return {name: settings[name] for name in (*order, *settings) if name in settings}


def _columns(was: Mapping[str, Any], now_is: Mapping[str, Any]) -> dict[str, Any]:
    """The columns of the settings that differ, a reference and a secret of the same key never both."""
    columns: dict[str, Any] = {}
    for name, key in KEYS.items():
        value = now_is.get(name)
        if was.get(name) == value:
            continue
        is_ref = key.ref_column is not None and isinstance(value, dict)
        columns[key.column] = None if is_ref else value
        if key.ref_column:
            columns[key.ref_column] = value if is_ref else None
    return columns


def _store_accounts(was: Mapping[str, Any], now_is: Mapping[str, Any], now: datetime) -> None:
    for account_id, level in now_is.items():
        before = was.get(account_id)
        if level == before:
            continue
        row, _ = SmsAccount.objects.defer(*SECRET_COLUMNS).get_or_create(account_id=account_id)
        columns = {**_columns(before or {}, level), "enabled": level.get(ENABLED, True), "declared": True}
        SmsAccount.objects.filter(pk=row.pk).update(**columns, updated_at=now)
    for account_id in was.keys() - now_is.keys():
        _remove(account_id, now)


def _remove(account_id: str, now: datetime) -> None:
    """Delete the account's row; where conversations hang on it, or people were let in, only its settings go."""
    rows = SmsAccount.objects.filter(account_id=account_id)
    if not rows.filter(allowed_senders__isnull=False).exists():
        try:
            with transaction.atomic():
                rows.only("pk").delete()  # secrets need not be readable to be thrown away
            return
        except ProtectedError:
            pass
    blank = {field.name: None for field in _settings_columns(SmsAccount)}
    rows.update(**blank, enabled=True, declared=False, updated_at=now)


def _settings_columns(model: type[Model]) -> list[Any]:
    own = {field.name for field in AccountSettings._meta.get_fields()}
    return [field for field in model._meta.get_fields() if field.name in own]


def _store_providers(was: Mapping[str, Any], now_is: Mapping[str, Any]) -> None:
    for name, settings in now_is.items():
        if was.get(name) != settings:
            SecretProvider.objects.update_or_create(name=name, defaults={"settings": settings})
    SecretProvider.objects.filter(name__in=was.keys() - now_is.keys()).delete()
