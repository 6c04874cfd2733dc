"""What is said about a photo: the caption, the name of what it shows, and its doubt."""

import math
from typing import Any

import pytest

from captioner import Caption
from captioner.confidence import DOUBTFUL, UNSURE
from captioner.naming.local_names import localized
from captioner.result import NamedObject
from captioner.wording import HOPELESS, Said, worded

CAT = NamedObject("a tabby cat", 0.9, ("a cat", "an animal"))
RETRIEVER = NamedObject("a golden retriever", 0.9, ("a dog", "an animal"))
RACCOON = NamedObject("a raccoon", 0.9, ("an animal",))
ANIMAL = NamedObject("an animal", 0.9)
TRIPOD = NamedObject("a tripod", 0.9)
GUITAR = NamedObject("an acoustic guitar", 0.9, ("a guitar", "a musical instrument"))
TRICYCLE = NamedObject("a tricycle", 0.9, ("a bicycle",))
SNEAKERS = NamedObject("sneakers", 0.9, ("shoes",))
FURNITURE = NamedObject("furniture", 0.9)


def caption(text: str, confidence: float, *objects: NamedObject, unlike: bool = False) -> Caption:
    return Caption(text, -1.0, confidence, (), out_of_distribution=unlike, objects=objects)


@pytest.mark.parametrize("confidence", [0.34, UNSURE, 1.0])
def test_a_sure_caption_is_said_as_it_is(confidence: float) -> None:
    assert worded(caption("A dog runs.", confidence)).text == "A dog runs."


@pytest.mark.parametrize("confidence", [0.33, math.nextafter(UNSURE, 0), 0.0])
def test_a_caption_twice_as_likely_wrong_as_right_is_said_with_doubt(confidence: float) -> None:
    assert worded(caption("A dog runs.", confidence)).text == "A dog runs. (Not sure.)"


@pytest.mark.parametrize("confidence", [0.0, 1.0])
def test_a_caption_out_of_distribution_is_a_guess_however_sure_it_is(confidence: float) -> None:
    said = worded(caption("A dog runs.", confidence, unlike=True))

    assert said.text == "A dog runs. (Only a guess.)"


@pytest.mark.parametrize(
    ("text", "named", "said", "alt_text"),
    [
        # The name is more exact than the caption's word for it.
        ("A cat sits.", CAT, "A cat sits. (Not sure; maybe a tabby cat.)", "A cat sits."),
        (
            "A man holds a dog.",
            RETRIEVER,
            "A man holds a dog. (Not sure; maybe a golden retriever.)",
            "A man holds a dog.",
        ),
        (
            "Two puppies play.",
            RETRIEVER,
            "Two puppies play. (Not sure; maybe a golden retriever.)",
            "Two puppies play.",
        ),
        (
            "A boy rides a bike.",
            TRICYCLE,
            "A boy rides a bike. (Not sure; maybe a tricycle.)",
            "A boy rides a bike.",
        ),
        # The caption has the name's own words.
        ("A tabby cat sits.", CAT, "A tabby cat sits. (Not sure.)", "A tabby cat sits."),
        (
            "A man with two tripods.",
            TRIPOD,
            "A man with two tripods. (Not sure.)",
            "A man with two tripods.",
        ),
        # The thing may be a part of what the caption describes.
        (
            "A man plays with a camera.",
            TRIPOD,
            "A man plays with a camera. (Not sure; maybe a tripod.)",
            "A man plays with a camera.",
        ),
        # The name says less than the caption.
        ("A dog jumps.", ANIMAL, "A dog jumps. (Not sure.)", "A dog jumps."),
        # An animal is not a small part, and the caption has no word for it.
        ("A black dog sits in the grass.", RACCOON, "It looks like a raccoon.", "A raccoon."),
        ("A person sits in a tree.", RACCOON, "It looks like a raccoon.", "A raccoon."),
    ],
)
def test_an_unsure_caption_is_said_with_the_name_or_gives_way_to_it(
    text: str, named: NamedObject, said: str, alt_text: str
) -> None:
    words = worded(caption(text, 0.2, named))

    assert (words.text, words.alt_text) == (said, alt_text)


@pytest.mark.parametrize(
    ("text", "named", "said"),
    [
        # The caption has a word for it, or the name says nothing new.
        ("Two puppies play.", RETRIEVER, "Two puppies play."),
        ("A tabby cat sits.", CAT, "A tabby cat sits."),
        ("A boy on a slide.", FURNITURE, "A boy on a slide."),
        (
            "A man plays with a camera.",
            TRIPOD,
            "A man plays with a camera. (Not sure; maybe a tripod.)",
        ),
        ("A black dog sits in the grass.", RACCOON, "It looks like a raccoon."),
    ],
)
@pytest.mark.parametrize("confidence", [UNSURE, math.nextafter(DOUBTFUL, 0)])
def test_a_caption_that_is_nearly_sure_is_doubted_only_where_a_name_disagrees(
    text: str, named: NamedObject, said: str, confidence: float
) -> None:
    assert worded(caption(text, confidence, named)).text == said
    assert worded(caption(text, confidence)).text == text


@pytest.mark.parametrize(
    ("text", "named", "said", "alt_text"),
    [
        # The caption is about what is named.
        (
            "A cat sits on a couch.",
            CAT,
            "It looks like a tabby cat. Perhaps: a cat sits on a couch.",
            "A cat sits on a couch.",
        ),
        (
            "A small brown dog in the sand.",
            RETRIEVER,
            "It looks like a golden retriever. Perhaps: a small brown dog in the sand.",
            "A small brown dog in the sand.",
        ),
        # It is about something else.
        ("A white dog runs.", CAT, "It looks like a tabby cat.", "A tabby cat."),
        (
            "A man is sitting on the top of a cat.",
            CAT,
            "It looks like a tabby cat.",
            "A tabby cat.",
        ),
        (
            "A man plays a guitar.",
            GUITAR,
            "It looks like an acoustic guitar.",
            "An acoustic guitar.",
        ),
        ("A woman sits on a train.", TRIPOD, "It looks like a tripod.", "A tripod."),
        # It makes no sense.
        ("A white cat stands on the cat.", CAT, "It looks like a tabby cat.", "A tabby cat."),
    ],
)
@pytest.mark.parametrize("confidence", [0.1, 0.9])
def test_out_of_distribution_the_name_comes_first_and_a_caption_about_something_else_goes(
    text: str, named: NamedObject, said: str, alt_text: str, confidence: float
) -> None:
    words = worded(caption(text, confidence, named, unlike=True))

    assert (words.text, words.alt_text) == (said, alt_text)


def test_only_the_likeliest_name_is_said() -> None:
    assert worded(caption("A woman.", 0.9, CAT, RACCOON, unlike=True)).name == CAT.name


@pytest.mark.parametrize(
    ("text", "named", "said"),
    [
        ("A man sits on a bed.", TRIPOD, "It looks like a tripod."),
        ("A boy in a shirt.", SNEAKERS, "It looks like sneakers."),
        ("A boy on a slide.", ANIMAL, "It looks like an animal."),
        ("A boy rides a bike.", TRICYCLE, "A boy rides a bike. (Not sure; maybe a tricycle.)"),
    ],
)
def test_a_name_replaces_a_caption_without_hope_that_has_no_word_for_it(
    text: str, named: NamedObject, said: str
) -> None:
    below = math.nextafter(HOPELESS, 0)

    assert worded(caption(text, below, named)).text == said
    assert worded(caption(text, HOPELESS, named)).caption == text


def in_language(code: str, text: str, named: NamedObject | None = None, **fields: Any) -> Caption:
    """Return a caption in another language, with the name of what its photo shows there."""
    objects = localized([named], code) if named else ()
    values = {"confidence": 0.4, **fields}
    return Caption(text, -1.0, words=(), language=code, objects=objects, **values)


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("fr", "Deux chiens courent dans l'herbe."),
        ("pt", "Dois cachorros correm na grama."),
        ("cs", "Dva psi běží po trávě."),
        ("de", "Zwei Hunde laufen über eine Wiese."),
        ("ar", "الكلبان يركضان على العشب."),
        ("zh", "两只狗在草地上奔跑。"),
    ],
)
def test_a_caption_that_speaks_of_the_thing_is_said_without_its_name(code: str, text: str) -> None:
    said = worded(in_language(code, text, RETRIEVER))
    assert (said.caption, said.name, said.doubt) == (text, "", None)
    other = worded(in_language(code, text, CAT))
    assert other.caption == ""
    assert other.name


@pytest.mark.parametrize("code", ["ar", "cs", "de", "fr", "pt", "zh"])
def test_doubts_are_said_in_the_language_of_the_caption(code: str) -> None:
    english = Said("A dog runs.", "a dog", "unsure").text
    for said in (
        Said("X.", "", "unsure", code),
        Said("X.", "y", "unsure", code),
        Said("X.", "", "guess", code),
        Said("X.", "y", "guess", code),
        Said("", "y", None, code),
    ):
        assert said.text
        assert not set(said.text.split()) & {"Not", "Only", "maybe", "It", "Perhaps:"}
        assert said.text != english
