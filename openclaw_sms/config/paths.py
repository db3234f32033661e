"""Webhook paths: how they may be written, and when two spellings are one path.

A web server decodes percent-encoding before the gateway sees a path, so paths are compared decoded: `/caf%C3%A9` and
`/café` are the same path, and no encoding hides one of the gateway's own.
"""

from urllib.parse import unquote

DEFAULT_WEBHOOK_PATH = "/webhooks/sms"
# Paths that are ours. An account's webhook may be anywhere else.
RESERVED_PATHS = ("/admin", "/api", "/sandbox", "/static", "/healthz", "/readyz", "/metrics")
# Below an account's path its pictures are served.
MEDIA = "/media"


class UnusablePath(ValueError):
    """`str()` finishes a sentence that begins with the setting's name."""


def normalise_path(raw: str) -> str:
    """The one form in which paths are compared: decoded, a slash in front, none at the end. Blank is the default."""
    return _decoded(raw, errors="replace")


def spelled(raw: str) -> str:
    """`raw` with a slash in front and none at the end, encoded as it was; blank stays blank."""
    written = raw.strip()
    return "/" + written.strip("/") if written else ""


def _decoded(raw: str, *, errors: str) -> str:
    """An encoded slash at the end is a slash at the end: none of a request's is compared."""
    written = spelled(raw)
    return unquote(written, errors=errors).rstrip("/") or "/" if written else DEFAULT_WEBHOOK_PATH


def is_reserved(path: str) -> bool:
    """Whether the normalised `path` is one of the gateway's own, or below one."""
    return path == "/" or any(path == reserved or path.startswith(reserved + "/") for reserved in RESERVED_PATHS)


def refuse_unusable(raw: str) -> None:
    """Raises `UnusablePath` where no request could ever have this path, or where the gateway needs it itself."""
    if "?" in raw or "#" in raw:
        raise UnusablePath("must be a path alone, without ? and #; a query belongs into publicWebhookUrl")
    if "://" in raw:
        raise UnusablePath(
            "must be a path, for example /webhooks/sms; the whole address belongs into publicWebhookUrl"
        )
    try:
        path = _decoded(raw, errors="strict")
    except UnicodeDecodeError:
        raise UnusablePath("has percent-encoding that is not UTF-8") from None
    if not path.isprintable():
        raise UnusablePath("has a control character in it")
    if any(step in (".", "..") for step in path.split("/")):
        raise UnusablePath("must not contain the steps . and .., which web servers resolve")
    if is_reserved(path):
        raise UnusablePath("belongs to the gateway itself; choose another, for example /webhooks/sms")
