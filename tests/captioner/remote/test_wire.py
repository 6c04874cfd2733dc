"""Captions, options, errors and pixels survive the way to another machine; nothing else does."""

import json
from dataclasses import fields, replace
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from captioner import BadImage, Busy, Caption, Options, VideoCaption
from captioner.config import ModelConfig
from captioner.errors import NUMBERS, BusyKind
from captioner.options import ANOTHER, OptionError
from captioner.remote.wire import (
    VERSION,
    About,
    Failed,
    WireError,
    pack,
    pack_pixels,
    pack_problem,
    unpack,
    unpack_pixels,
    unpack_problem,
)
from captioner.result import LocalName, NamedObject, Word
from captioner.video.result import Scene

texts = st.text(max_size=12)
numbers = st.floats(allow_nan=False)
shares = st.floats(0, 1)
tuples = st.lists(texts, max_size=3).map(tuple)
maps = arrays.arrays(
    np.float32,
    arrays.array_shapes(min_dims=2, max_dims=2, max_side=7),
    elements=st.floats(0, 1, width=32),
)
words = st.builds(Word, texts, numbers, st.none() | maps)
local_names = st.builds(LocalName, texts, tuples, tuples)
objects = st.builds(NamedObject, texts, shares, tuples, st.none() | local_names)
plain = st.builds(
    Caption,
    texts,
    numbers,
    shares,
    st.lists(words, max_size=4).map(tuple),
    st.just(()),
    st.booleans(),
    texts,
    st.lists(objects, max_size=2).map(tuple),
    st.dictionaries(texts, numbers, max_size=3),
)
captions = st.builds(
    lambda caption, others: replace(caption, alternatives=tuple(others)),
    plain,
    st.lists(plain, max_size=3),
)
options = st.builds(
    Options,
    beam=st.integers(1, 20),
    length_penalty=st.floats(-10, 10),
    matching=st.floats(0, 100),
    repeat_words=st.booleans(),
    sample=st.booleans(),
    temperature=st.floats(0.01, 10),
    seed=st.integers(-(2**63), 2**64 - 1),
    alternatives=st.integers(0, 8),
    difference=shares,
    attention=st.booleans(),
    language=st.none() | texts,
)
problems = (
    st.sampled_from(sorted(NUMBERS)).flatmap(
        lambda kind: st.builds(
            lambda video, *values: BadImage(
                kind, video=video, **dict(zip(NUMBERS[kind], values, strict=True))
            ),
            st.booleans(),
            *[st.integers(0, 2**63) for _ in NUMBERS[kind]],
        )
    )
    | st.builds(Busy, st.sampled_from(get_args(BusyKind)), st.floats(0, 1e6))
    | st.builds(OptionError, texts, texts)
    | st.builds(WireError, texts)
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)


def assert_same(one: Caption, other: Caption) -> None:
    """Compare all fields; arrays have no truth value, and `seconds` is not compared by `==`."""
    assert repr(replace(one, words=(), alternatives=())) == repr(
        replace(other, words=(), alternatives=())
    )
    assert one.seconds == other.seconds
    for word, again in zip(one.words, other.words, strict=True):
        assert (word.text, word.logprob) == (again.text, again.logprob)
        assert (word.attention is None) == (again.attention is None)
        if word.attention is not None and again.attention is not None:
            assert again.attention.dtype == np.float32
            np.testing.assert_array_equal(word.attention, again.attention)
    for alternative, same in zip(one.alternatives, other.alternatives, strict=True):
        assert_same(alternative, same)


@given(captions)
def test_every_caption_survives_the_way(caption: Caption) -> None:
    assert_same(unpack(Caption, pack(caption)), caption)


@given(options)
def test_all_options_survive_the_way_in_a_header(options: Options) -> None:
    sent = pack(options).decode("ascii")
    assert "\n" not in sent
    assert unpack(Options, sent) == options


def test_a_whole_number_for_a_fraction_is_the_same_option() -> None:
    assert unpack(Options, pack(Options(temperature=1))) == Options()
    assert unpack(Options, pack(ANOTHER)) == ANOTHER


@given(problems)
def test_every_error_survives_the_way(problem: Any) -> None:
    again = unpack_problem(pack_problem(problem))
    assert type(again) is type(problem)
    assert vars(again) == vars(problem)
    assert str(again) == str(problem)


def test_an_error_of_an_older_captioner_is_about_a_photo() -> None:
    sent = {"wire": VERSION, "error": "image", "kind": "damaged", "numbers": {}}
    assert vars(unpack_problem(json.dumps(sent).encode())) == vars(BadImage("damaged"))


def test_a_failure_says_nothing_of_its_cause() -> None:
    sent = pack_problem(Failed("a path of that machine"))
    assert b"path" not in sent
    assert isinstance(unpack_problem(sent), Failed)


def test_what_serves_survives_the_way() -> None:
    about = About(
        ModelConfig(vocabulary_size=9, encoder="resnet18"),
        {"cider": 74.3, "split": "test", "beam": [5], "note": None},
        ("en", "de"),
        "cuda:0",
        "torch",
        "default",
    )
    assert unpack(About, pack(about)) == about


@given(arrays.arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9), st.just(3))))
def test_pixels_survive_the_way(pixels: Any) -> None:
    np.testing.assert_array_equal(unpack_pixels(pack_pixels(pixels)), pixels)


@given(pixels=st.binary(max_size=40))
def test_other_bytes_are_no_pixels(pixels: bytes) -> None:
    with pytest.raises(WireError):
        unpack_pixels(pixels)


@given(json_values)
def test_other_documents_are_one_error(value: Any) -> None:
    for document in (value, {"wire": VERSION, "text": value}, {"wire": VERSION, "error": value}):
        data = json.dumps(document).encode()
        for read in (lambda data: unpack(Caption, data), unpack_problem):
            with pytest.raises(WireError):
                read(data)


@given(st.binary(max_size=40))
def test_other_bytes_are_one_error(data: bytes) -> None:
    with pytest.raises(WireError):
        unpack(Caption, data)


CAPTION = Caption("A dog.", -1.5, 0.5, (Word("dog", -0.5, np.ones((1, 2), np.float32)),))


def test_the_story_of_a_video_survives_the_way() -> None:
    scenes = (Scene(0, 2.25, 0.5, CAPTION), Scene(2.25, 4, 0.5, CAPTION, repeats=0))
    video = VideoCaption(scenes, 4.0, 4.125)
    found = unpack(VideoCaption, pack(video))
    assert [(one.start, one.end, one.frame, one.repeats) for one in found.scenes] == [
        (0, 2.25, 0.5, None),
        (2.25, 4, 0.5, 0),
    ]
    assert (found.seconds, found.duration, found.text) == (4, 4.125, video.text)
    assert_same(found.scenes[1].caption, CAPTION)


@given(st.sampled_from([field.name for field in fields(Caption)]), json_values)
def test_a_field_of_another_type_is_one_error_or_still_a_caption(name: str, value: Any) -> None:
    document = json.loads(pack(CAPTION)) | {name: value}
    try:
        caption = unpack(Caption, json.dumps(document))
    except WireError:
        return
    assert isinstance(caption, Caption)


@pytest.mark.parametrize("name", [field.name for field in fields(Caption)])
def test_a_missing_field_is_named(name: str) -> None:
    document = json.loads(pack(CAPTION))
    del document[name]
    with pytest.raises(WireError, match=rf"^Caption: {name} is missing or unknown$"):
        unpack(Caption, json.dumps(document))


def test_an_unknown_field_is_named_where_it_is() -> None:
    document = json.loads(pack(CAPTION))
    document["words"][0]["colour"] = "red"
    with pytest.raises(WireError, match=r"^Caption\.words: colour is missing or unknown$"):
        unpack(Caption, json.dumps(document))


def test_another_version_says_what_to_do() -> None:
    document = json.loads(pack(CAPTION)) | {"wire": VERSION + 1}
    with pytest.raises(WireError, match="run the same version of photo-captioner on both sides"):
        unpack(Caption, json.dumps(document))


def test_options_that_make_no_sense_are_named() -> None:
    document = json.loads(pack(Options())) | {"beam": 0}
    with pytest.raises(OptionError, match=r"^beam is 0; it must be at least 1$"):
        unpack(Options, json.dumps(document))


def test_numbers_that_an_error_does_not_have_are_refused() -> None:
    for said in (
        {"error": "image", "kind": "empty", "numbers": {"size": 1}},
        {"error": "image", "kind": "too many bytes", "numbers": {"size": 1, "limit": "x"}},
        {"error": "image", "kind": "unheard of", "numbers": {}},
        {"error": "busy", "kind": "full", "retry_after": float("inf")},
        {"error": "busy", "kind": "full", "retry_after": 10**400},
        {"error": "busy", "kind": "tired", "retry_after": 1},
    ):
        with pytest.raises(WireError):
            unpack_problem(json.dumps({"wire": VERSION, **said}).encode())


def test_the_picture_of_a_scene_survives_the_way_and_is_no_map() -> None:
    picture = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
    attention = np.full((2, 2), 0.25, np.float32)
    caption = Caption("A dog.", -1.0, 0.5, (Word("a", -0.1, attention),))
    sent = pack(VideoCaption((Scene(0, 1, 0, caption, picture=picture),), 1, 1))
    again = unpack(VideoCaption, sent).scenes[0].picture
    assert again is not None
    assert again.dtype == np.uint8
    np.testing.assert_array_equal(again, picture)
    for wrong in (
        {"shape": [2, 3, 3], "float32": ""},
        {"shape": [9, 3, 3], "uint8": "AAAA"},
        {"shape": [1], "uint8": 7},
        {"shape": [1], "uint8": "A"},
        {"uint8": "AAAA"},
    ):
        document = json.loads(sent)
        document["scenes"][0]["picture"] = wrong
        with pytest.raises(WireError, match="picture"):
            unpack(VideoCaption, json.dumps(document))
