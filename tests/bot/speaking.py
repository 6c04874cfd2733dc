"""Catalogues for tests, in which every sentence is translated whatever the translators did."""

from collections.abc import Callable

from bot import languages
from captioner.translation import ENGLISH, Catalogues


class Marked(Catalogues):
    """Translates every sentence into itself and the code of the language."""

    def gettext(self, sentence: str, language: str) -> str:
        """Translate a sentence."""
        return sentence if language == ENGLISH else f"{sentence} ({language})"

    def ngettext(self, one: str, many: str, count: int, language: str) -> str:
        """Translate a sentence about a number of things."""
        return self.gettext(one if count == 1 else many, language)


MARKED = Marked(languages.CATALOGUES.folder, languages.CATALOGUES.domain)


def said(code: str, sentence: Callable[[], str]) -> str:
    """Return a sentence as the bot says it in a language."""
    with languages.speaking(code):
        return sentence()
