"""A language can be chosen by its code, by a tag, and by its own name."""

import pytest

from bot import languages
from bot.language_choice import OWN, choice_of, choices
from bot.replies import replies


@pytest.mark.parametrize(
    ("text", "choice"),
    [
        ("de", "de"),
        ("PT-br", "pt"),
        ("zh_Hans", "zh"),
        ("deutsch", "de"),
        ("ČEŠTINA", "cs"),
        ("العربية", "ar"),
        ("Own", OWN),
        ("klingon", None),
        ("xx", None),
        ("de fr", None),
        ("", None),
    ],
)
def test_a_person_names_a_language_as_they_like(text: str, choice: str | None) -> None:
    assert choice_of(text) == choice


@pytest.mark.parametrize("private", [True, False])
def test_every_language_is_offered_by_its_own_name_whatever_is_spoken(private: bool) -> None:
    with languages.speaking("de"):
        offered = dict(choices(private=private))
        own = offered.pop(OWN)
        assert own == (replies.LANGUAGE_APP if private else replies.LANGUAGE_OWN)
    assert offered == languages.NAMES
