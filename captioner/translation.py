"""Translated sentences: gettext's catalogues, by the code of their language.

A package keeps them in `locale/CODE/LC_MESSAGES/DOMAIN.po`, and beside it the `.mo` that `make
catalogues` compiles. A sentence that is not translated is said in English.
"""

import gettext as catalogues
from functools import cache
from pathlib import Path

ENGLISH = "en"


class Catalogues:
    """The translations of a package's sentences."""

    def __init__(self, folder: Path, domain: str) -> None:
        """Name the folder and the domain; each catalogue is read when it is first used."""
        self.folder, self.domain = folder, domain
        self._catalogue = cache(self._read)

    @property
    def languages(self) -> tuple[str, ...]:
        """The codes of the languages, English first."""
        found = self.folder.glob(f"*/LC_MESSAGES/{self.domain}.mo")
        return (ENGLISH, *sorted(path.parent.parent.name for path in found))

    def gettext(self, sentence: str, language: str) -> str:
        """Translate a sentence."""
        return self._catalogue(language).gettext(sentence)

    def ngettext(self, one: str, many: str, count: int, language: str) -> str:
        """Translate a sentence about a number of things, in the plural form of that number."""
        return self._catalogue(language).ngettext(one, many, count)

    def _read(self, language: str) -> catalogues.NullTranslations:
        return catalogues.translation(self.domain, self.folder, [language], fallback=True)


def N_(sentence: str) -> str:  # noqa: N802
    """Mark a sentence for translation, as gettext's tools know it."""
    return sentence
