"""Web addresses as people may see them, and how two of them compare."""

from urllib.parse import urlsplit


def without_secrets(url: str) -> str:
    """`url` for a log or a report: a user name, a password or a query in it may be a secret.

    What cannot be read as an address is not shown at all.
    """
    try:
        parts = urlsplit(url)
        user, at, host = parts.netloc.rpartition("@")
        query = "***" if parts.query else ""
        return parts._replace(netloc=f"{'***' if user else ''}{at}{host}", query=query).geturl()
    except ValueError:
        return "***"


def same_resource(one: str, other: str) -> bool:
    """Whether two addresses are alike, byte for byte, but for their fragments: those never leave their owner."""
    return one.partition("#")[0] == other.partition("#")[0]


def host_of(url: str) -> str:
    """The host name in lower case; "" when there is none."""
    try:
        return (urlsplit(url).hostname or "").lower()
    except ValueError:
        return ""
