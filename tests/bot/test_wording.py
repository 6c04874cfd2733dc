"""What a message said is read from its text again."""

import string
from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bot import languages
from bot.wording import (
    FORMER_DOUBT,
    FORMER_GUESS,
    alt_text,
    as_preview,
    is_preview,
    take_apart,
)
from captioner.languages.scripts import joined
from captioner.video.telling import told
from captioner.wording import FINALLY, FIRST, THEN, Doubt, Said, covered

LETTERS = string.ascii_lowercase + "éñ"
WORDS = st.lists(st.text(LETTERS + "'-19", min_size=1, max_size=9), min_size=1, max_size=12)
NAMES = WORDS.map(lambda words: f"a {' '.join(words)}")
SENTENCES = st.tuples(st.sampled_from(LETTERS), WORDS).map(
    lambda parts: f"{parts[0].upper()} {' '.join(parts[1])}."
)
SAID = st.one_of(
    st.builds(Said, SENTENCES),
    st.builds(Said, SENTENCES, st.just("") | NAMES, st.sampled_from(["unsure", "guess"])),
    st.builds(Said, st.just(""), NAMES),
)


@given(SAID)
@example(Said("I dive.", "a St. Bernard", "guess"))
@example(Said("", "a St. Bernard"))
@example(Said("It looks like a dog.", "a dog", "unsure"))
def test_what_was_said_is_taken_apart_again(said: Said) -> None:
    assert take_apart(said.text) == said


@given(SAID)
def test_the_text_is_the_sentence_and_ends_with_the_doubt(said: Said) -> None:
    assert said.text.startswith(said.sentence)
    assert said.text.removesuffix(")").endswith(said.aside)
    assert bool(said.aside) == (said.doubt is not None)


@given(SAID)
def test_doubt_and_name_are_said_with_at_most_four_words_more(said: Said) -> None:
    spoken = [len(text.split()) for text in (said.text, said.caption, said.name)]
    assert spoken[0] <= spoken[1] + spoken[2] + 4


@given(SENTENCES)
def test_a_message_of_an_earlier_version_is_taken_apart(sentence: str) -> None:
    lower = f"{sentence[0].lower()}{sentence[1:]}"

    assert take_apart(f"{FORMER_DOUBT}{lower}") == Said(sentence, doubt="unsure")
    assert take_apart(f"{FORMER_GUESS}{lower}") == Said(sentence, doubt="guess")


@pytest.mark.parametrize("language", languages.NAMES)
def test_the_alt_text_of_a_story_is_without_doubt(language: str) -> None:
    def said(caption: str, name: str = "", doubt: Doubt = None) -> Said:
        return Said(caption, name, doubt, language, caption.split()[0].lower() if caption else "")

    dog, ball, cat = "A dog runs.", "Two people play.", "A cat sits."
    plain = joined([said(dog).opened(FIRST), said(ball).opened(THEN), said(cat).opened(FINALLY)])
    assert alt_text(plain) == plain
    for scenes in (
        (said(dog, doubt="unsure"), said(ball), said(cat, doubt="guess")),
        (said(dog, "a beagle", "unsure"), said(ball, "a ball", "unsure"), said(cat)),
        (said(dog, "a St. Bernard", "guess"), said(ball, doubt="guess"), said(cat)),
        (said(dog), said(ball), said(cat, "a tabby cat", "guess")),
    ):
        openings = zip(scenes, (FIRST, THEN, FINALLY), strict=True)
        text = joined([scene.opened(opening) for scene, opening in openings])
        assert text != plain
        assert alt_text(text) == plain


@given(st.lists(SAID, min_size=1, max_size=5), st.sampled_from(sorted(languages.NAMES)))
def test_the_alt_text_of_a_message_is_that_of_what_it_told(said: list[Said], code: str) -> None:
    scenes = [replace(one, language=code, begins=one.caption[:1].lower()) for one in said]
    assert alt_text(told(scenes)) == told(scenes, doubt=False)


@given(st.lists(SAID, min_size=1, max_size=5), st.sampled_from(sorted(languages.NAMES)))
def test_how_far_a_video_was_looked_at_stays_in_the_alt_text(said: list[Said], code: str) -> None:
    scenes = [replace(one, language=code, begins=one.caption[:1].lower()) for one in said]
    limit = covered(3725, code)
    text = joined([told(scenes), limit])
    assert alt_text(text) == joined([told(scenes, doubt=False), limit])
    assert take_apart(text) == take_apart(told(scenes))


def test_what_only_has_a_name_is_named_in_the_alt_text_of_a_story() -> None:
    scenes = [Said(name="a St. Bernard"), Said(name="a tabby cat")]
    assert alt_text(told(scenes)) == "First a St. Bernard. Then a tabby cat."


def test_a_photo_that_comes_first_is_no_story() -> None:
    assert alt_text("First a dog runs. (Not sure.)") == "First a dog runs."


@pytest.mark.parametrize("language", languages.NAMES)
def test_that_only_a_preview_was_looked_at_is_no_part_of_the_caption(language: str) -> None:
    with languages.speaking(language):
        text = as_preview("A dog runs. (Not sure.)")
    assert is_preview(text)
    assert not is_preview("A dog runs. (Not sure.)")
    assert take_apart(text) == Said("A dog runs.", doubt="unsure")
    assert alt_text(text) == "A dog runs."
