"""A body before it is read: its encoding, and how often its calendar wants to be asked."""

from __future__ import annotations

import re

_UTF16 = re.compile(rb"(?:[\s]\0)*[Bb]\0[Ee]\0"), re.compile(rb"(?:\0[\s])*\0[Bb]\0[Ee]")
_HEAD = 8192  # bytes in which a calendar's own properties are looked for
_INTERVAL = re.compile(
    rb"^(?:REFRESH-INTERVAL|X-PUBLISHED-TTL)(?:;[^:\r\n]*)?:[ \t]*"
    rb"P(?:(\d{1,4})W)?(?:(\d{1,4})D)?(?:T(?:(\d{1,5})H)?(?:(\d{1,6})M)?(?:(\d{1,8})S)?)?[ \t]*\r?$",
    re.IGNORECASE | re.MULTILINE,
)
_COMPONENT = re.compile(rb"^BEGIN:(?!VCALENDAR)", re.IGNORECASE | re.MULTILINE)
_LENGTHS = (7 * 86400, 86400, 3600, 60, 1)


def plain(body: bytes) -> bytes:
    """*body* in UTF-8 if it came in UTF-16 or UTF-32, which no calendar should (RFC 5545 section 3.1.4); without NULs.

    Other encodings that ASCII is part of stay as they are.
    """
    encoding = _encoding(body)
    if encoding:
        body = body.decode(encoding, "replace").encode()
    return body.removeprefix(b"\xef\xbb\xbf").replace(b"\0", b"")


def _encoding(body: bytes) -> str:
    if body.startswith((b"\xff\xfe\0\0", b"\0\0\xfe\xff")):
        return "utf-32"
    if body.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    little, big = (pattern.match(body) for pattern in _UTF16)
    return "utf-16-le" if little else "utf-16-be" if big else ""


def published_interval(body: bytes) -> float:
    """Seconds between two questions that a calendar asks for, 0 if it does not.

    As REFRESH-INTERVAL (RFC 7986 section 5.7), or the X-PUBLISHED-TTL from before it.
    """
    found = _INTERVAL.search(_COMPONENT.split(body[:_HEAD], 1)[0])
    if found is None:
        return 0.0
    return float(sum(int(number or 0) * length for number, length in zip(found.groups(), _LENGTHS, strict=True)))
