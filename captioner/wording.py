"""How a caption is said in chats and on the command line: the likeliest first, then any doubt.

`worded` decides what is said, and `Said.text` says it, briefly, in the language of the caption.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from captioner.confidence import UNSURE
from captioner.languages.orthography import tokenize
from captioner.languages.scripts import full_stop, joined
from captioner.languages.small_words import LANGUAGES
from captioner.naming.mentions import mentions, says
from captioner.result import Caption
from captioner.translation import ENGLISH, N_, Catalogues

Doubt = Literal["unsure", "guess"] | None

CATALOGUES = Catalogues(Path(__file__).parent / "locale", "captioner")

# After a caption, in brackets.
NOT_SURE = N_("Not sure.")
MAYBE = N_("Not sure; maybe {name}.")
ONLY_A_GUESS = N_("Only a guess.")
IN_BRACKETS = N_("{caption} ({doubt})")
# Instead of a caption, or before one.
LOOKS_LIKE = N_("It looks like {name}.")
PERHAPS = N_("Perhaps: {caption}")
# Before the caption of each scene of a video, which begins as it does inside of a sentence.
FIRST = N_("First {caption}")
THEN = N_("Then {caption}")
AFTER_THAT = N_("After that, {caption}")
NEXT = N_("Next, {caption}")
FINALLY = N_("Finally, {caption}")
# After a story; the time is as players show it.
UP_TO = N_("This covers the video only up to {time}.")

ANIMAL = "an animal"
# Behind a caption these say nothing.
VAGUE = {"a building", "a landscape", "a vehicle", "an animal", "clothes", "food", "furniture"}
# Below, a caption is wrong nine times in ten. Above, a thing that it has no word for may be a small
# part of what it describes: a ball, a street sign.
HOPELESS = 0.1
# One of these words after a caption's first ends what may be its subject.
AFTER_SUBJECT = frozenset(
    tokenize(
        "a an the his her its their is are was were in on at of by with near from to into over "
        "under behind through"
    )
)


@dataclass(frozen=True)
class Said:
    """What is said about one photo, in its parts."""

    caption: str = ""  # the model's sentence; empty if only the name is said
    name: str = ""  # of what the photo shows, with its article; empty if no name is said
    doubt: Doubt = None  # about the caption
    language: str = ENGLISH
    # The first word of the caption as it is inside of a sentence: "a", "Kinder".
    begins: str = field(default="", compare=False)

    @property
    def sentence(self) -> str:
        """What is said first."""
        named = self.name and self.doubt != "unsure"
        return self._said(LOOKS_LIKE, name=self.name) if named else self.caption

    @property
    def aside(self) -> str:
        """The doubt that is said after the sentence; empty if there is none."""
        if self.doubt == "unsure":
            return self._said(MAYBE, name=self.name) if self.name else self._said(NOT_SURE)
        if self.doubt == "guess":
            return self._perhaps() if self.name else self._said(ONLY_A_GUESS)
        return ""

    @property
    def text(self) -> str:
        """All of it, as in a chat."""
        return self._with_aside(self.sentence)

    def opened(self, opening: str, *, doubt: bool = True) -> str:
        """Return it after the opening of a sentence, such as `FIRST`.

        A translation may open it with a colon instead, where its words would be in another order;
        after that it begins as a sentence does.

        Args:
            opening: has "{caption}" where the sentence belongs.
            doubt: whether to say all of it, with the doubt; otherwise it is the alternative text.
        """
        before, _, _ = CATALOGUES.gettext(opening, self.language).partition("{caption}")
        apart = before.rstrip().endswith((":", "\N{FULLWIDTH COLON}"))
        sentence = self.sentence if doubt else self.alt_text
        said = self._said(opening, caption=sentence if apart else self._inside(sentence))
        return self._with_aside(said) if doubt else said

    def _with_aside(self, sentence: str) -> str:
        if self.doubt is None:
            return sentence
        if self.sentence == self.caption:
            return self._said(IN_BRACKETS, caption=sentence, doubt=self.aside)
        return joined([sentence, self.aside])

    def _inside(self, sentence: str) -> str:
        """Return a sentence without the capital that it has only because it is at the start."""
        begins = self.begins
        if sentence != self.caption:  # all languages say "it looks like" without a noun first
            begins = self.name if sentence == self.alt_text else sentence[:1].lower()
        if sentence[: len(begins)].lower() != begins.lower():
            return sentence
        return f"{begins}{sentence[len(begins) :]}"

    @property
    def alt_text(self) -> str:
        """What describes the photo to those who do not see it: without doubt."""
        if self.caption or not self.name:
            return self.caption
        return f"{capital(self.name)}{full_stop(self.name)}"

    def _perhaps(self) -> str:
        caption = self.caption
        if self.language == ENGLISH:  # other languages may have a capital for another reason
            caption = f"{caption[:1].lower()}{caption[1:]}"
        return self._said(PERHAPS, caption=caption)

    def _said(self, sentence: str, **values: str) -> str:
        return CATALOGUES.gettext(sentence, self.language).format(**values)


def worded(caption: Caption) -> Said:
    """Decide what to say about a photo.

    On photos of single things names are right four times in five; captions with names are more
    likely wrong than right. So a name replaces a caption that has no word for it, if it is an
    animal's or the caption is hopeless. Where the photo is out of distribution, it also replaces a
    caption that begins with something else.
    """
    unsure, unlike = caption.confidence < UNSURE, caption.out_of_distribution
    text, language = caption.text, caption.language
    begins = caption.words[0].text if caption.words else ""
    if not caption.objects:
        doubt: Doubt = "guess" if unlike else "unsure" if unsure else None
        return Said(text, doubt=doubt, language=language, begins=begins)
    named, words = caption.objects[0], tokenize(text)
    only_name = Said(name=named.said, language=language)
    found = mentions(words, named, language)
    if unlike:
        after_subject = _after_subject(language)
        is_subject = len(found) == 1 and after_subject.isdisjoint(words[1 : found[0]])
        return Said(text, named.said, "guess", language, begins) if is_subject else only_name
    if not found and (ANIMAL in named.kinds or caption.confidence < HOPELESS):
        return only_name
    if found and not unsure:
        return Said(text, language=language, begins=begins)  # the name agrees with it
    adds = named.name not in VAGUE and not says(words, named, language)
    name = named.said if adds else ""
    return Said(text, name, "unsure" if adds or unsure else None, language, begins)


def covered(seconds: float, language: str) -> str:
    """Return the sentence that says how far a video was looked at."""
    return CATALOGUES.gettext(UP_TO, language).format(time=clock(seconds))


def clock(seconds: float) -> str:
    """Return a moment of a video as players show it, such as "0:07" or "1:02:05"."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _after_subject(language: str) -> frozenset[str]:
    if language == ENGLISH:
        return AFTER_SUBJECT
    known = LANGUAGES.get(language)
    return known.small if known else frozenset()


def capital(text: str) -> str:
    """Return a sentence from words that may begin in lower case."""
    return f"{text[:1].upper()}{text[1:]}"
