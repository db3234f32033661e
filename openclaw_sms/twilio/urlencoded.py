"""Reading an `application/x-www-form-urlencoded` body to bytes, once, in one way.

The signature check and the form reader share these functions, so what was signed is what is read. Nothing is
trimmed or re-encoded, and nothing is refused: a body that is no form at all is one name without a value.
"""

from urllib.parse import unquote_to_bytes

Field = tuple[bytes, bytes]


def fields_of(body: bytes) -> list[Field]:
    """Every (name, value) in the order received, blank values and names without "=" included."""
    return [_field(piece) for piece in body.split(b"&") if piece]


def text_of(raw: bytes, *, valid_utf8: bool) -> str:
    """`raw` as text: UTF-8 if the whole form is that, else latin-1, in which no two bytes look alike.

    The choice is made for the form as a whole (`is_valid_utf8`), as the signature check makes it.
    """
    return raw.decode("utf-8" if valid_utf8 else "latin-1")


def is_valid_utf8(fields: list[Field]) -> bool:
    """True when every name and every value of the form is valid UTF-8."""
    try:
        for name, value in fields:
            name.decode("utf-8")
            value.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _field(piece: bytes) -> Field:
    name, _, value = piece.replace(b"+", b" ").partition(b"=")
    return unquote_to_bytes(name), unquote_to_bytes(value)
