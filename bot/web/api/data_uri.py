"""Photos in base64 (RFC 4648) and data URIs (RFC 2397), as programs write them into JSON."""

import binascii
import re
from typing import Literal

DATA = re.compile(r"\s*data:[^,]{0,200};base64\s*,", re.IGNORECASE)
ADDRESS = re.compile(r"\s*(https?|ftp):", re.IGNORECASE)
CHUNK = 2**19  # characters: to decode them takes a millisecond, in which no other thread runs
# Base64 for addresses (RFC 4648, section 5) has two characters of its own.
PLAIN = bytes.maketrans(b"-_", b"+/")
WHITE_SPACE = b" \t\r\n"


class DataUriError(ValueError):
    """A text that is not a data URI in base64."""

    def __init__(self, kind: Literal["address", "other", "not base64"]) -> None:
        """Keep what it is: an address of the web, anything else, or wrong after its comma."""
        super().__init__(kind)
        self.kind = kind


def is_address(text: str) -> bool:
    """Return whether a text is an address of the web, or begins like one."""
    return ADDRESS.match(text) is not None


def decode(text: str, chunk: int = CHUNK, *, bare: bool = False) -> bytes:
    """Return the bytes in a data URI; the type that it says is not read.

    Its base64 may be of either alphabet, with or without white space and padding.

    Args:
        text: the data URI.
        chunk: how many characters are decoded at a time.
        bare: whether base64 without a data URI around it is accepted too.

    Raises:
        DataUriError: the text is something else.
    """
    if is_address(text):
        raise DataUriError("address")
    head = DATA.match(text)
    if head is None and not bare:
        raise DataUriError("other")
    try:
        return _decoded(text, head.end() if head else 0, chunk)
    except ValueError as error:
        raise DataUriError("not base64") from error


def _decoded(text: str, start: int, size: int) -> bytes:
    parts, left = [], b""
    for place in range(start, len(text), size):
        left += text[place : place + size].encode("ascii").translate(PLAIN, WHITE_SPACE)
        whole = max(0, len(left) - 4) // 4 * 4  # the padding is among the last four
        if b"=" in left[:whole]:
            raise ValueError("padding that is not at the end")
        parts.append(binascii.a2b_base64(left[:whole], strict_mode=True))
        left = left[whole:]
    left = left.rstrip(b"=")
    parts.append(binascii.a2b_base64(left + b"=" * (-len(left) % 4), strict_mode=True))
    return b"".join(parts)
