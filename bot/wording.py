"""What a message of the bot said about its photo, read from the text that people see under it."""

import re

from captioner.wording import (
    LOOKS_LIKE,
    MAYBE,
    NOT_SURE,
    ONLY_A_GUESS,
    PERHAPS,
    Doubt,
    Said,
    capital,
)

# Before the captions of version 0.2; the buttons under those messages still work.
FORMER_GUESS = "This is unlike the photos that I learned from, so I can only guess: "
FORMER_DOUBT = "I am not sure, but perhaps: "


def take_apart(text: str) -> Said:
    """Return what was said, from `Said.text` or from a message of an earlier version."""
    for pattern, doubt in _PATTERNS:
        if found := pattern.fullmatch(text):
            parts = found.groupdict(default="")
            return Said(capital(parts.get("caption", "")), parts.get("name", ""), doubt)
    return Said(text)


def _pattern(template: str) -> re.Pattern[str]:
    escaped = re.escape(template)
    for part in ("caption", "name"):
        escaped = escaped.replace(rf"\{{{part}\}}", f"(?P<{part}>.+?)")
    return re.compile(escaped)


_PATTERNS: tuple[tuple[re.Pattern[str], Doubt], ...] = (
    (_pattern(f"{LOOKS_LIKE} {PERHAPS}"), "guess"),
    (_pattern(LOOKS_LIKE), None),
    (_pattern(f"{{caption}} ({MAYBE})"), "unsure"),
    (_pattern(f"{{caption}} ({NOT_SURE})"), "unsure"),
    (_pattern(f"{{caption}} ({ONLY_A_GUESS})"), "guess"),
    (_pattern(f"{FORMER_GUESS}{{caption}}"), "guess"),
    (_pattern(f"{FORMER_DOUBT}{{caption}}"), "unsure"),
)
