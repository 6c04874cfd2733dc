"""The languages that the bot speaks, and the one that it speaks now: that of the task at work."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from captioner.translation import ENGLISH, N_, Catalogues

CATALOGUES = Catalogues(Path(__file__).parent / "locale", "bot")
# By the code in ISO 639-1, each in its own words.
NAMES: Mapping[str, str] = {
    "ar": "العربية",
    "cs": "Čeština",
    "de": "Deutsch",
    "en": "English",
    "fr": "Français",
    "pt": "Português",
    "zh": "中文",
}
RIGHT_TO_LEFT = frozenset({"ar"})
DECIMAL_MARK = N_("decimal mark|.")

_now: ContextVar[str] = ContextVar("language", default=ENGLISH)


def language() -> str:
    """Return the code of the language that is spoken now."""
    return _now.get()


def speak(code: str) -> None:
    """Speak a language for the rest of this task, and in the tasks that it starts."""
    _now.set(code)


@contextmanager
def speaking(code: str) -> Iterator[None]:
    """Speak a language for a while."""
    token = _now.set(code)
    try:
        yield
    finally:
        _now.reset(token)


def nearest(*wanted: str | None) -> str:
    """Return the first language that the bot speaks, English if there is none.

    Args:
        wanted: language tags such as pt-BR, the best first; None where nothing is known.
    """
    for tag in wanted:
        if (code := _code(tag or "")) in NAMES:
            return code
    return ENGLISH


def named(text: str) -> str | None:
    """Return the language that a person means by its code, by a tag or by its own name."""
    own_names = {name.casefold(): code for code, name in NAMES.items()}
    code = own_names.get(text.casefold(), _code(text))
    return code if code in NAMES else None


def accepted(header: str) -> str:
    """Return the language for an `Accept-Language` header (RFC 9110, section 12.5.4)."""
    return nearest(*_by_quality(header))


def translated(sentence: str) -> str:
    """Translate a sentence into the language that is spoken now."""
    return CATALOGUES.gettext(sentence, language())


def counted(one: str, many: str, count: int) -> str:
    """Translate a sentence about a number of things into the language that is spoken now."""
    return CATALOGUES.ngettext(one, many, count, language())


def number(value: float, form: str) -> str:
    """Format a number with the decimal mark of the language."""
    return f"{value:{form}}".replace(".", translated(DECIMAL_MARK).rpartition("|")[2])


class Sentence:
    """A sentence of a class: read from an object, it is in the language that is spoken now."""

    def __init__(self, english: str) -> None:
        """Take the sentence in English, which is its key in the catalogues."""
        self.english = english

    def __get__(self, instance: object, owner: type) -> str:
        """Return it in the language that is spoken now."""
        return translated(self.english)


def _code(tag: str) -> str:
    return tag.replace("_", "-").partition("-")[0].lower()


def _by_quality(header: str) -> Iterable[str]:
    weighed = []
    for part in header.split(","):
        tag, _, parameter = part.strip().partition(";")
        quality = parameter.strip().removeprefix("q=")
        try:
            weighed.append((float(quality) if quality else 1.0, tag.strip()))
        except ValueError:
            continue
    return [tag for quality, tag in sorted(weighed, key=lambda one: -one[0]) if quality > 0]
