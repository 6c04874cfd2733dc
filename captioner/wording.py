"""How a caption is said in chats and on the command line: the likeliest first, then any doubt.

`worded` decides what is said, and `Said.text` says it, briefly.
"""

import re
from dataclasses import dataclass
from typing import Literal

from captioner.confidence import UNSURE
from captioner.result import Caption, NamedObject
from captioner.vocabulary import tokenize

Doubt = Literal["unsure", "guess"] | None

# After a caption, in brackets.
NOT_SURE = "Not sure."
MAYBE = "Not sure; maybe {name}."
ONLY_A_GUESS = "Only a guess."
# Instead of a caption, or before one.
LOOKS_LIKE = "It looks like {name}."
PERHAPS = "Perhaps: {caption}"

ANIMAL = "an animal"
# Behind a caption these say nothing.
VAGUE = {"a building", "a landscape", "a vehicle", "an animal", "clothes", "food", "furniture"}
# Below, a caption is wrong nine times in ten. Above, a thing that it has no word for may be a small
# part of what it describes: a ball, a street sign.
HOPELESS = 0.1
# Captions have other words than names for some things.
SAME = {
    "airplane": "plane",
    "bike": "bicycle",
    "couch": "sofa",
    "kitten": "cat",
    "puppie": "dog",
    "puppy": "dog",
}
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

    @property
    def sentence(self) -> str:
        """What is said first."""
        named = self.name and self.doubt != "unsure"
        return LOOKS_LIKE.format(name=self.name) if named else self.caption

    @property
    def aside(self) -> str:
        """The doubt that is said after the sentence; empty if there is none."""
        if self.doubt == "unsure":
            return MAYBE.format(name=self.name) if self.name else NOT_SURE
        if self.doubt == "guess":
            return _perhaps(self.caption) if self.name else ONLY_A_GUESS
        return ""

    @property
    def text(self) -> str:
        """All of it, as in a chat."""
        if self.doubt is None:
            return self.sentence
        in_brackets = self.sentence == self.caption
        return f"{self.sentence} {f'({self.aside})' if in_brackets else self.aside}"

    @property
    def alt_text(self) -> str:
        """What describes the photo to those who do not see it: without doubt."""
        return f"{capital(self.name)}." if self.name and not self.caption else self.caption


def worded(caption: Caption) -> Said:
    """Decide what to say about a photo.

    On photos of single things names are right four times in five; captions with names are more
    likely wrong than right. So a name replaces a caption that has no word for it, if it is an
    animal's or the caption is hopeless. Where the photo is out of distribution, it also replaces a
    caption that begins with something else.
    """
    unsure, unlike = caption.confidence < UNSURE, caption.out_of_distribution
    if not caption.objects:
        return Said(caption.text, doubt="guess" if unlike else "unsure" if unsure else None)
    named, words = caption.objects[0], tokenize(caption.text)
    nouns = _nouns(named)
    found = [index for index, word in enumerate(words) if _common(word) in nouns]
    if unlike:
        is_subject = len(found) == 1 and AFTER_SUBJECT.isdisjoint(words[1 : found[0]])
        return Said(caption.text, named.name, "guess") if is_subject else Said(name=named.name)
    if not found and (ANIMAL in named.kinds or caption.confidence < HOPELESS):
        return Said(name=named.name)
    if found and not unsure:
        return Said(caption.text)  # the name agrees with it
    adds = named.name not in VAGUE and not _says(words, named.name)
    return Said(caption.text, named.name if adds else "", "unsure" if adds or unsure else None)


def capital(text: str) -> str:
    """Return a sentence from words that may begin in lower case."""
    return f"{text[:1].upper()}{text[1:]}"


def _nouns(named: NamedObject) -> frozenset[str]:
    """Return the words that a caption may have for a thing: a golden retriever is a dog."""
    parts = re.split(" or | and ", " or ".join((named.name, *named.kinds)))
    # "A bird of prey" is a bird; of other names the last word is the noun.
    return frozenset(_common(tokenize(re.split(" of | on ", part)[0])[-1]) for part in parts)


def _says(words: list[str], name: str) -> bool:
    """Return whether a caption already has every word of a name."""
    return {_common(word) for word in tokenize(name)} - {"a", "an"} <= set(map(_common, words))


def _common(word: str) -> str:
    singular = word.removesuffix("s")
    return SAME.get(singular, singular)


def _perhaps(sentence: str) -> str:
    return PERHAPS.format(caption=f"{sentence[:1].lower()}{sentence[1:]}")
