"""What a message of the bot said about its photo or video, read from the text that people see."""

import re
from functools import cache

from bot import languages
from bot.replies import replies
from captioner.scripts import full_stop, joined
from captioner.translation import ENGLISH
from captioner.wording import (
    CATALOGUES,
    FIRST,
    IN_BRACKETS,
    LOOKS_LIKE,
    MAYBE,
    NOT_SURE,
    ONLY_A_GUESS,
    PERHAPS,
    THEN,
    Doubt,
    Said,
    capital,
)

# Before the captions of version 0.2; the buttons under those messages still work.
FORMER_GUESS = "This is unlike the photos that I learned from, so I can only guess: "
FORMER_DOUBT = "I am not sure, but perhaps: "

NAME = r"(?:[^.]|(?<=\bSt)\.)+?"  # of a thing; some are named after saints

Patterns = tuple[tuple[re.Pattern[str], Doubt], ...]


def take_apart(text: str) -> Said:
    """Return what was said, from `Said.text` or from a message of an earlier version."""
    text = _without_note(text)
    for language in CATALOGUES.languages:
        for pattern, doubt in _patterns(language):
            if found := pattern.fullmatch(text):
                parts = found.groupdict(default="")
                caption, name = capital(parts.get("caption", "")), parts.get("name", "")
                return Said(caption, name, doubt, language)
    return Said(text)


def alt_text(text: str) -> str:
    """Return what describes a photo or a video to those who do not see it: without doubt."""
    text = _without_note(text)
    openings = ((_opening(FIRST, one), _opening(THEN, one)) for one in CATALOGUES.languages)
    if not any(text.startswith(first) and then in text for first, then in openings):
        return take_apart(text).alt_text
    # Languages may share the openings.
    plain = (_plain_story(text, language) for language in CATALOGUES.languages)
    return min(plain, key=len)


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


def _opening(sentence: str, language: str) -> str:
    return CATALOGUES.gettext(sentence, language).partition("{caption}")[0]


def _plain_story(story: str, language: str) -> str:
    """Return the scenes of a story without doubt, and named where only a name was said."""

    def said(sentence: str) -> str:
        return CATALOGUES.gettext(sentence, language)

    def of_a_name(found: re.Match[str]) -> str:
        name = found["name"]
        return f"{name}{full_stop(name)}"

    before, _, after = said(LOOKS_LIKE).partition("{name}")
    # Inside of a sentence it begins with a small letter.
    looks_like = f"(?i:{re.escape(before[:1])}){re.escape(before[1:])}(?P<name>{NAME})"
    looks_like += re.escape(after)
    perhaps = re.escape(said(PERHAPS).partition("{caption}")[0])
    story = re.sub(rf"{looks_like}\s*{perhaps}", "", story)
    story = re.sub(looks_like, of_a_name, story)
    for doubt in (NOT_SURE, MAYBE, ONLY_A_GUESS):
        aside = said(IN_BRACKETS).partition("{caption}")[2].replace("{doubt}", said(doubt))
        story = re.sub(re.escape(aside).replace(r"\{name\}", r"[^()\uff08\uff09]+?"), "", story)
    return story


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
