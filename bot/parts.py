"""How a long answer becomes several messages: it is split where its entries end."""

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

NUMBER = re.compile(r"^(\d+)\. ", re.MULTILINE)  # before each answer to several pictures


@dataclass(frozen=True)
class Part:
    """The text of one message."""

    text: str
    ended: int  # how many entries end in it


def in_parts(entries: Sequence[str], limit: int, length: Callable[[str], int] = len) -> list[Part]:
    """Split an answer into as few messages as it needs.

    Args:
        entries: the answers to the pictures of a message, at least one. Each is in one part, unless
            it alone is longer than a message may be.
        limit: how long a message may be.
        length: how the platform counts that; a longer text is never shorter.
    """
    parts: list[Part] = []
    text, ended = "", 0
    for entry in entries:
        joined = f"{text}\n{entry}" if text else entry
        if length(joined) <= limit:
            text, ended = joined, ended + 1
            continue
        if text:
            parts.append(Part(text, ended))
        *pieces, text = _pieces(entry, limit, length)
        parts += [Part(piece, 0) for piece in pieces]
        ended = 1
    return [*parts, Part(text, ended)]


async def send_parts(
    parts: Sequence[Part],
    answered: int,
    send: Callable[[Part], Awaitable[None]],
    note: Callable[[int], Awaitable[None]],
) -> None:
    """Send the parts of an answer, one after another.

    Args:
        parts: at least one.
        answered: how many pictures of the message were answered before.
        send: sends one.
        note: records how many pictures are answered, after each part and before the next.
    """
    *others, last = parts
    for part in others:
        await send(part)
        answered += part.ended
        await note(answered)
    await send(last)


def last_number(text: str) -> int | None:
    """Return the number of the last picture that a message answers; None if it has no numbers."""
    numbers = NUMBER.findall(text)
    return int(numbers[-1]) if numbers else None


def _pieces(entry: str, limit: int, length: Callable[[str], int]) -> list[str]:
    pieces = []
    while length(entry) > limit:
        end = limit
        while length(entry[:end]) > limit:
            end -= 1
        space = entry.rfind(" ", 1, end + 1)
        end = end if space < 0 else space
        pieces.append(entry[:end])
        entry = entry[end:].lstrip()
    return [*pieces, entry]
