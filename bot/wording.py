"""What a message of the bot said about its photo, read from the text that people see under it."""

import re
from functools import cache

from captioner.scripts import joined
from captioner.translation import ENGLISH
from captioner.wording import (
    CATALOGUES,
    IN_BRACKETS,
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

Patterns = tuple[tuple[re.Pattern[str], Doubt], ...]


def take_apart(text: str) -> Said:
    """Return what was said, from `Said.text` or from a message of an earlier version."""
    for language in CATALOGUES.languages:
        for pattern, doubt in _patterns(language):
            if found := pattern.fullmatch(text):
                parts = found.groupdict(default="")
                caption, name = capital(parts.get("caption", "")), parts.get("name", "")
                return Said(caption, name, doubt, language)
    return Said(text)


@cache
def _patterns(language: str) -> Patterns:
    def said(sentence: str) -> str:
        return CATALOGUES.gettext(sentence, language)

    def bracketed(doubt: str) -> str:
        return said(IN_BRACKETS).replace("{doubt}", said(doubt))

    looks_like = said(LOOKS_LIKE)
    found: list[tuple[str, Doubt]] = [
        (joined([looks_like, said(PERHAPS)]), "guess"),
        (looks_like, None),
        (bracketed(MAYBE), "unsure"),
        (bracketed(NOT_SURE), "unsure"),
        (bracketed(ONLY_A_GUESS), "guess"),
    ]
    if language == ENGLISH:
        former = f"{FORMER_GUESS}{{caption}}", f"{FORMER_DOUBT}{{caption}}"
        found += [(former[0], "guess"), (former[1], "unsure")]
    return tuple((_pattern(template), doubt) for template, doubt in found)


def _pattern(template: str) -> re.Pattern[str]:
    escaped = re.escape(template)
    for part in ("caption", "name"):
        escaped = escaped.replace(rf"\{{{part}\}}", f"(?P<{part}>.+?)")
    return re.compile(escaped)
