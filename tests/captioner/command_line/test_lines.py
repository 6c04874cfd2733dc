"""The lines that the command line prints."""

import json
import os
from base64 import b64decode
from typing import Any

import pytest

from captioner import Caption
from captioner.command_line.lines import json_line, name_of, plain, problem
from captioner.result import NamedObject

OTHER = Caption("A cat sits.", -3.0, 0.25, ())
CAT = NamedObject("a tabby cat", 0.83337, ("a cat", "an animal"))
DOUBTFUL = Caption("A cat runs.", -2.34567, 0.2, (), (OTHER,), objects=(CAT,))


def test_the_plain_line_has_the_doubt_and_the_alternatives_stand_below_it() -> None:
    said = "A cat runs. (Not sure; maybe a tabby cat.)"
    assert plain("x.jpg", DOUBTFUL, named=False) == [said, "  A cat sits."]
    assert plain("x.jpg", DOUBTFUL, named=True)[0] == f"x.jpg: {said}"


def test_a_name_that_replaces_the_caption_replaces_it_here_too() -> None:
    unlike = Caption("A dog runs.", -1.0, 0.9, (), out_of_distribution=True, objects=(CAT,))
    assert plain("x.jpg", unlike, named=False) == ["It looks like a tabby cat."]


def test_json_has_the_fields_of_the_api_and_two_more() -> None:
    assert json.loads(json_line("x.jpg", DOUBTFUL, escaped=False)) == {
        "file": "x.jpg",
        "caption": "A cat runs.",
        "language": "en",
        "text": "A cat runs. (Not sure; maybe a tabby cat.)",
        "doubt": "Not sure; maybe a tabby cat.",
        "alt_text": "A cat runs.",
        "confidence": 0.2,
        "unfamiliar": False,
        "objects": [{"name": "a tabby cat", "confidence": 0.8334}],
        "alternatives": [{"caption": "A cat sits.", "confidence": 0.25}],
        "logprob": -2.3457,
    }


def test_a_name_that_is_not_text_is_valid_json_and_its_bytes_are_beside_it() -> None:
    name = os.fsdecode(b"photo\xe9.jpg")
    line = json_line(name, "It is broken.", escaped=False)
    found = json.loads(line.encode().decode())  # as another program reads it
    assert found == {
        "file": "photo\N{REPLACEMENT CHARACTER}.jpg",
        "file_bytes": found["file_bytes"],
        "error": "It is broken.",
    }
    assert os.fsdecode(b64decode(found["file_bytes"])) == name
    assert name_of(found) == name


@pytest.mark.parametrize("name", ["naïve.jpg", "名.jpg", "a\nb.jpg", "\U0001f600.jpg"])
def test_escaped_json_is_ascii_and_says_the_same(name: str) -> None:
    line = json_line(name, DOUBTFUL, escaped=True)
    assert line.isascii()
    assert "\n" not in line
    assert name_of(json.loads(line)) == name


def test_a_name_cannot_begin_another_line_or_command_a_terminal() -> None:
    name = "a\nb\x1b[2J\x7f\x9b.jpg"
    assert problem(name, "It is broken.") == r"a\x0ab\x1b[2J\x7f\x9b.jpg: It is broken."
    assert plain(name, OTHER, named=True) == [r"a\x0ab\x1b[2J\x7f\x9b.jpg: A cat sits. (Not sure.)"]


@pytest.mark.parametrize("fields", [{}, {"file": 1}, {"file": "a", "file_bytes": "?"}, [], 3])
def test_what_has_no_name_is_no_line_of_this_program(fields: Any) -> None:
    with pytest.raises((KeyError, TypeError, ValueError)):
        name_of(fields)
