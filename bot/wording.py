"""What a message of the bot said about its photo or video, read from the text that people see.

Nothing else is kept of what was said, and a button has no room for it.
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from functools import cache

from bot import languages
from bot.replies import replies
from captioner.languages.scripts import joined
from captioner.translation import ENGLISH
from captioner.video.telling import OPENINGS, told
from captioner.wording import (
    CATALOGUES,
    IN_BRACKETS,
    LOOKS_LIKE,
    MAYBE,
    NOT_SURE,
    ONLY_A_GUESS,
    PERHAPS,
    UP_TO,
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
    text, _ = _without_limit(_without_note(text))
    for language in CATALOGUES.languages:
        for pattern, doubt in _patterns(language):
            if found := pattern.fullmatch(text):
                parts = found.groupdict(default="")
                caption, name = capital(parts.get("caption", "")), parts.get("name", "")
                return Said(caption, name, doubt, language)
    return Said(text)


def alt_text(text: str) -> str:
    """Return what describes a photo or a video to those who do not see it: without doubt."""
    text, limit = _without_limit(_without_note(text))
    return joined([told(_scenes(text), doubt=False), *limit])


def as_preview(text: str) -> str:
    """Add that only the preview of a video was looked at."""
    return joined([text, replies.ONLY_PREVIEW])


def is_preview(text: str) -> bool:
    """Return whether a message says that only a preview was looked at."""
    return text != _without_note(text)


def _without_note(text: str) -> str:
    # The language of the chat may have changed since.
    for code in languages.NAMES:
        with languages.speaking(code):
            if text.endswith(replies.ONLY_PREVIEW):
                return text.removesuffix(replies.ONLY_PREVIEW).rstrip()
    return text


def _without_limit(text: str) -> tuple[str, Sequence[str]]:
    """Return a story, and the sentence after it that says how far the video was looked at."""
    for language in CATALOGUES.languages:
        if found := _limit(language).fullmatch(text):
            return found[1], (found[2],)
    return text, ()


@cache
def _limit(language: str) -> re.Pattern[str]:
    escaped = re.escape(CATALOGUES.gettext(UP_TO, language)).replace(r"\{time\}", "[0-9:]+")
    return re.compile(rf"(.+?)\s*({escaped})", re.DOTALL)


def _scenes(text: str) -> Sequence[Said]:
    """Return what was said of each scene of a story; a photo is one scene."""
    for language in CATALOGUES.languages:
        for pattern in _stories(language):
            if found := pattern.fullmatch(text):
                return [_scene(part, language) for part in found.groups()]
    return [take_apart(text)]


def _scene(part: str, language: str) -> Said:
    """Return what was said, from what stands after an opening."""
    sentence = capital(part)
    said = replace(take_apart(sentence), language=language)
    # Behind "perhaps" it may have a capital; captions hold no names of people or places.
    is_first = sentence.startswith(said.caption)
    return replace(said, begins=part[:1] if is_first else said.caption[:1].lower())


@cache
def _stories(language: str) -> Sequence[re.Pattern[str]]:
    """Return patterns of stories, the longest first: their openings hold those of shorter ones."""
    return [
        re.compile(r"\s*".join(_after(opening, language) for opening in OPENINGS[count]))
        for count in sorted(OPENINGS, reverse=True)
    ]


def _after(opening: str, language: str) -> str:
    return re.escape(CATALOGUES.gettext(opening, language)).replace(r"\{caption\}", "(.+?)")


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
