"""What a message said is read from its text again."""

import string

from hypothesis import example, given
from hypothesis import strategies as st

from bot.wording import FORMER_DOUBT, FORMER_GUESS, take_apart
from captioner.wording import Said

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
