"""Small real files: a PNG of one colour that browsers draw, and others by the bytes they are known by."""

import struct
import zlib

JPEG = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01" + bytes(40) + b"\xff\xd9"
GIF = b"GIF89a\x01\x00\x01\x00\x80\x00\x00\xff\x00\x00\xff\xff\xff" + bytes(20) + b";"
MP4 = b"\x00\x00\x00\x18ftypisom\x00\x00\x02\x00isomiso2" + bytes(40)
AMR = b"#!AMR\n" + bytes(40)
PDF = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n" + bytes(40)
CARD = b"BEGIN:VCARD\r\nVERSION:3.0\r\nFN:Alice\r\nTEL:+15550001111\r\nEND:VCARD\r\n"
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
HTML = b"<!doctype html><script>alert(1)</script>"


def png(colour: tuple[int, int, int] = (200, 30, 30), side: int = 64) -> bytes:
    """A square of one colour. Different colours are different bytes."""
    line = b"\x00" + bytes(colour) * side
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in ((b"IHDR", header), (b"IDAT", zlib.compress(line * side)), (b"IEND", b""))
    )


def filled(start: bytes, size: int) -> bytes:
    """`start`, made `size` bytes long."""
    return start + bytes(size - len(start))
