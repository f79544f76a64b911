"""A body before it is read: its encoding, whether it is a calendar, its refresh interval."""

from __future__ import annotations

import re
from contextlib import suppress

from calendar_timetable.calendars.sources.base import FetchFailed

_ENDED = re.compile(rb"\nEND:VCALENDAR[ \t]*(?=\r?\n|\Z)", re.IGNORECASE)
# Only encodings that write text byte by byte: Python also has codecs that decompress or evaluate
# escapes.
_CHARSET = re.compile(
    r"(?i:iso-?(?:8859|2022)-|windows-|cp|koi8-|mac|x-mac|gb|big5|shift_jis|sjis|euc-|tis-|latin|hz)[\w-]*"
)
# Latin-1 is read as cp1252, which is often meant by that name.
_WESTERN = re.compile(r"(?i:iso-?8859-1|latin-?1)")
_RETURNS = re.compile(rb"\r+\n")
_BARE = re.compile(rb"\r(?:BEGIN|END):V", re.IGNORECASE)
_UTF16 = re.compile(rb"(?:[\s]\0)*[Bb]\0[Ee]\0"), re.compile(rb"(?:\0[\s])*\0[Bb]\0[Ee]")
_HEAD_BYTES = 8192  # bytes in which a calendar's own properties are looked for
_INTERVAL = re.compile(
    rb"^(?:REFRESH-INTERVAL|X-PUBLISHED-TTL)(?:;[^:\r\n]*)?:[ \t]*"
    rb"P(?:(\d{1,4})W)?(?:(\d{1,4})D)?"
    rb"(?:T(?:(\d{1,5})H)?(?:(\d{1,6})M)?(?:(\d{1,8})S)?)?[ \t]*\r?$",
    re.IGNORECASE | re.MULTILINE,
)
_COMPONENT = re.compile(rb"^BEGIN:(?!VCALENDAR)", re.IGNORECASE | re.MULTILINE)
_LENGTHS = (7 * 86400, 86400, 3600, 60, 1)


def to_utf8(body: bytes, charset: str = "") -> bytes:
    """Return *body* in UTF-8 if its encoding is known; no NULs, and a line feed in each line end.

    UTF-8 comes before *charset*, which a server named for it (RFC 5545 section 3.1.4): many servers
    name one without looking. UTF-16 and UTF-32 are recognised by their bytes. Any other encoding
    that ASCII is part of stays as it is.
    """
    encoding = _encoding(body)
    if not encoding and _CHARSET.fullmatch(charset) and not _is_utf8(body):
        encoding = "cp1252" if _WESTERN.fullmatch(charset) else charset
    if encoding:
        # A body with a charset that Python does not know stays as it is.
        with suppress(LookupError):
            body = body.decode(encoding, "replace").encode()
    body = body.removeprefix(b"\xef\xbb\xbf").replace(b"\0", b"")
    if body.count(b"\r") == body.count(b"\r\n"):
        return body
    body = _RETURNS.sub(b"\r\n", body)
    return body.replace(b"\r\n", b"\n").replace(b"\r", b"\n") if _BARE.search(body) else body


def _is_utf8(body: bytes) -> bool:
    # Encodings such as ISO-2022-JP write other scripts in seven bits, which are valid UTF-8 too.
    if b"\x1b" in body:
        return False
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True


def _encoding(body: bytes) -> str:
    if body.startswith((b"\xff\xfe\0\0", b"\0\0\xfe\xff")):
        return "utf-32"
    if body.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    little, big = (pattern.match(body) for pattern in _UTF16)
    return "utf-16-le" if little else "utf-16-be" if big else ""


def published_interval(body: bytes) -> float:
    """Return the seconds between two requests that a calendar asks for, 0 if it asks for none.

    It is told by REFRESH-INTERVAL (RFC 7986 section 5.7), or by X-PUBLISHED-TTL, which is older.
    """
    duration = _INTERVAL.search(_COMPONENT.split(body[:_HEAD_BYTES], 1)[0])
    if duration is None:
        return 0.0
    return float(
        sum(
            int(number or 0) * length
            for number, length in zip(duration.groups(), _LENGTHS, strict=True)
        )
    )


def check_body(body: bytes) -> bytes:
    """Return *body* in an encoding that ASCII is part of.

    Raises :class:`FetchFailed` if it cannot be a whole calendar.
    """
    body = to_utf8(body)
    content = body.strip()
    start = content[:200].lower()
    if not content:
        raise FetchFailed("the answer is empty")
    if not start.startswith(b"begin:vcalendar"):
        if start.startswith(b"<") or b"<html" in start:
            raise FetchFailed("the answer is a web page, not a calendar: is a login needed?")
        if start.startswith((b"{", b"[")):
            raise FetchFailed("the answer is JSON, not a calendar")
        raise FetchFailed("the answer is not a calendar")
    # What follows the end of the last calendar does no harm.
    if not _ENDED.search(content, content.lower().rindex(b"begin:vcalendar")):
        raise FetchFailed("the answer is cut off: it has no END:VCALENDAR")
    return body
