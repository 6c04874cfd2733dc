"""Scenes become sentences: in their order, each once, as their language writes them."""

import re
from dataclasses import replace

import pytest

from captioner.result import Caption, NamedObject, Word
from captioner.video.result import MOST_TOLD, Scene, VideoCaption
from captioner.video.subtitles import webvtt
from captioner.video.telling import OPENINGS, story
from captioner.wording import worded


def caption(
    text: str, *, begins: str = "", language: str = "en", confidence: float = 0.9, **more: object
) -> Caption:
    first = begins or text.split()[0].lower()
    words = (Word(first, -0.1, None),)
    return Caption(text, -1.0, confidence, words, language=language, **more)  # type: ignore[arg-type]


def video(*scenes: Scene) -> VideoCaption:
    return VideoCaption(scenes, scenes[-1].end, scenes[-1].end)


DOG, BALL, CAT = (
    caption("A dog runs along a beach."),
    caption("Two people throw a ball."),
    caption("A cat sits on a chair."),
)


def test_scenes_are_one_text_of_plain_sentences() -> None:
    assert story([DOG, BALL]) == ("First a dog runs along a beach. Then two people throw a ball.")
    assert story([DOG, BALL, CAT]) == (
        "First a dog runs along a beach. Then two people throw a ball. "
        "Finally, a cat sits on a chair."
    )


def test_one_scene_is_said_as_a_photo() -> None:
    assert story([DOG]) == DOG.text


@pytest.mark.parametrize("count", range(2, MOST_TOLD + 1))
def test_no_two_sentences_of_a_story_begin_alike(count: int) -> None:
    assert len(set(OPENINGS[count])) == count
    assert len(re.findall(r"\. |\.$", story(count * [DOG]))) == count


def test_the_first_word_is_written_as_it_is_inside_of_a_sentence() -> None:
    german = [
        caption("Kinder spielen im Schnee.", begins="Kinder", language="de"),
        caption("Ein Hund rennt.", begins="ein", language="de"),
    ]
    assert [worded(one).opened("Zuerst {caption}") for one in german] == [
        "Zuerst Kinder spielen im Schnee.",
        "Zuerst ein Hund rennt.",
    ]
    french = caption("L'homme court.", begins="l'", language="fr")
    assert worded(french).opened("D'abord {caption}") == "D'abord l'homme court."


def test_a_sentence_after_a_colon_begins_as_a_sentence() -> None:
    german = caption("Ein Hund rennt.", begins="ein", language="de")
    assert worded(german).opened("Zuerst: {caption}") == "Zuerst: Ein Hund rennt."


def test_the_doubt_about_a_scene_is_said_with_it() -> None:
    unsure = caption("A man is running.", confidence=0.2)
    assert story([DOG, unsure]) == (
        "First a dog runs along a beach. Then a man is running. (Not sure.)"
    )
    cat = NamedObject("a tabby cat", 0.9, ("a cat", "an animal"))
    named = caption("A dog is on a chair.", confidence=0.3, objects=(cat,))
    assert story([named, BALL]) == (
        "First it looks like a tabby cat. Then two people throw a ball."
    )


def test_what_comes_again_is_told_once() -> None:
    scenes = (Scene(0, 1, 0, DOG), Scene(1, 2, 1, BALL), Scene(2, 3, 0, DOG, repeats=0))
    assert video(*scenes).told == scenes[:2]


def test_of_many_scenes_the_longest_are_told_in_their_order() -> None:
    lengths = [3, 1, 4, 2, 5, 6, 7]
    ends = [sum(lengths[: index + 1]) for index in range(len(lengths))]
    scenes = [
        Scene(end - length, end, end - 1, DOG) for length, end in zip(lengths, ends, strict=True)
    ]
    told = video(*scenes).told
    assert [round(one.end - one.start) for one in told] == [3, 4, 5, 6, 7]


def test_a_scene_counts_as_long_as_it_is_shown_in_all() -> None:
    short = Scene(0, 1, 0, CAT)
    others = [Scene(1 + 2 * index, 3 + 2 * index, 1, DOG) for index in range(5)]
    again = Scene(11, 14, 0, CAT, repeats=0)
    assert short in video(short, *others, again).told


def test_subtitles_show_each_scene_while_it_lasts() -> None:
    scenes = (
        Scene(0, 2.5, 0, DOG),
        Scene(2.5, 3661.25, 3, caption("A <b> & a dog."), None),
        Scene(3661.25, 3661.25, 3, DOG),
    )
    assert webvtt(video(*scenes)) == (
        "WEBVTT\n\n"
        "00:00:00.000 --> 00:00:02.500\nA dog runs along a beach.\n\n"
        "00:00:02.500 --> 01:01:01.250\nA &lt;b&gt; &amp; a dog.\n"
    )


def test_the_alt_text_of_a_story_has_no_doubt() -> None:
    unsure = caption("A cat sits on a chair.", confidence=0.2)
    told = video(Scene(0, 1, 0.5, DOG), Scene(1, 2, 1.5, unsure), Scene(2, 3, 0.5, DOG, 0))
    assert told.text == "First a dog runs along a beach. Then a cat sits on a chair. (Not sure.)"
    assert told.alt_text == "First a dog runs along a beach. Then a cat sits on a chair."
    assert (told.confidence, told.out_of_distribution) == (0.2, False)
    cat = NamedObject("a tabby cat", 0.9, ("a cat", "an animal"))
    named = caption("A dog is on a chair.", confidence=0.3, objects=(cat,))
    both = video(Scene(0, 1, 0.5, named), Scene(1, 2, 1.5, DOG))
    assert both.alt_text == "First a tabby cat. Then a dog runs along a beach."
    alone = video(Scene(0, 1, 0.5, unsure))
    assert (alone.text, alone.alt_text) == (worded(unsure).text, unsure.text)


@pytest.mark.parametrize(
    ("seconds", "duration", "time"),
    [(120.0, 362.8, "2:00"), (4.6, 30.0, "0:04"), (3725.0, 9000.0, "1:02:05")],
)
def test_a_story_says_how_far_a_video_was_looked_at(
    seconds: float, duration: float, time: str
) -> None:
    doubtful = caption("A cat sits on a chair.", confidence=0.2)
    story = VideoCaption((Scene(0.0, seconds, 0.0, doubtful),), seconds, duration)
    limit = f"This covers the video only up to {time}."
    assert story.text == f"A cat sits on a chair. (Not sure.) {limit}"
    assert story.alt_text == f"A cat sits on a chair. {limit}"
    german = replace(doubtful, language="de")
    story = replace(story, scenes=(Scene(0.0, seconds, 0.0, german),))
    assert story.text.endswith(f"Das beschreibt das Video nur bis {time}.")


@pytest.mark.parametrize("duration", [0.0, 120.0, 121.9])
def test_sound_that_ends_after_the_picture_is_not_missed(duration: float) -> None:
    story = VideoCaption((Scene(0.0, 120.0, 0.0, DOG),), 120.0, duration)
    assert story.text == story.alt_text == DOG.text
