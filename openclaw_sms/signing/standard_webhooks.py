"""Standard Webhooks: the headers by which a receiver knows that a post is ours, whole and recent.

Source: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md (1.0.0, symmetric
signatures). Several secrets sign at once, so that a receiver may change over without missing a post.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

PREFIX = "whsec_"
SHORTEST, LONGEST = 24, 64  # bytes: the specification's own bounds


class InvalidSecret(ValueError):
    """`str()` is what is wrong and the fix, to be put behind a setting's name; it never shows the secret."""


@dataclass(frozen=True, slots=True)
class SigningSecrets:
    """The keys that sign, the current one first. At least one."""

    keys: tuple[bytes, ...] = field(repr=False)

    def headers(self, *, message_id: str, at: datetime, payload: bytes) -> Mapping[str, str]:
        """The three headers for exactly these bytes. `message_id` has no full stop; `at` is the time of this try."""
        if "." in message_id:
            raise ValueError("a full stop in the id would let one message pass for another")
        seconds = str(int(at.timestamp()))
        signed = f"{message_id}.{seconds}.".encode() + payload
        return {
            "webhook-id": message_id,
            "webhook-timestamp": seconds,
            "webhook-signature": " ".join(_signature(key, signed) for key in self.keys),
        }


def parse(raw: str) -> SigningSecrets:
    """The secrets in `whsec_… whsec_…` (separated by commas or white space). Raises `InvalidSecret`."""
    words = raw.replace(",", " ").split()
    if not words:
        raise InvalidSecret("must be set: make one with `echo whsec_$(openssl rand -base64 32)`")
    return SigningSecrets(tuple(map(_key, words)))


def _key(word: str) -> bytes:
    if not word.startswith(PREFIX):
        raise InvalidSecret("must begin with whsec_: make one with `echo whsec_$(openssl rand -base64 32)`")
    try:
        key = base64.b64decode(word.removeprefix(PREFIX), validate=True)
    except binascii.Error:
        raise InvalidSecret("must be base64 after whsec_: copy it again") from None
    if not SHORTEST <= len(key) <= LONGEST:
        raise InvalidSecret(f"must hold {SHORTEST} to {LONGEST} bytes: `openssl rand -base64 32` gives 32")
    return key


def _signature(key: bytes, signed: bytes) -> str:
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
