"""An error carries its kind and its numbers; the command line words every one of them."""

import pickle
import re
from typing import get_args

import pytest

from captioner.errors import (
    FORMATS,
    NUMBERS,
    RESTART_SECONDS,
    BadImage,
    BadImageKind,
    Busy,
    BusyKind,
)
from captioner.photo import decode


@pytest.mark.parametrize("video", [False, True])
@pytest.mark.parametrize("kind", get_args(BadImageKind))
def test_every_bad_image_is_one_plain_sentence(kind: BadImageKind, video: bool) -> None:
    error = BadImage(kind, video=video, **dict.fromkeys(NUMBERS[kind], 2**26))

    assert re.fullmatch(r"[A-Z][^<>_\n]{10,150}\.", str(error))
    assert not re.search(r"object|PIL|Error|0x|bytes|\{", str(error))


def test_a_sentence_shows_the_numbers_in_units_that_people_use() -> None:
    assert str(BadImage("too many bytes", size=22_020_096, limit=20 * 2**20)) == (
        "The file is too large: 21.0 MB; the limit is 20.0 MB."
    )
    pixels = BadImage("too many pixels", width=9, height=8, max_pixels=50_000_000, max_side=65_535)
    assert str(pixels) == (
        "The picture is too large: 9 x 8 pixels; the limits are 50 million pixels in all and "
        "65535 on each side."
    )


@pytest.mark.parametrize(
    "kind", ["too many pixels", "too slow", "too much memory", "damaged", "unsupported variant"]
)
def test_what_is_wrong_with_a_video_is_not_said_of_a_picture(kind: BadImageKind) -> None:
    said = str(BadImage(kind, video=True, **dict.fromkeys(NUMBERS[kind], 9)))
    assert said.startswith("The video ")
    assert "picture" not in said
    assert "JPEG" not in said


def test_a_file_a_few_bytes_above_the_limit_is_larger_than_the_limit() -> None:
    for limit, shown in (
        (20 * 2**20, "20.1 MB; the limit is 20.0"),
        (1_000_000, "1.0 MB; the limit is 0.9"),
    ):
        assert shown in str(BadImage("too many bytes", size=limit + 3, limit=limit))


def test_the_formats_that_are_read_are_named() -> None:
    readable = {"HEIF": "HEIC", "JPEG2000": "JPEG 2000", "WEBP": "WebP"}
    for format_ in decode.FORMATS:
        assert readable.get(format_, format_) in FORMATS
        assert readable.get(format_, format_) in str(BadImage("unsupported"))
    assert ("HEIC" in FORMATS) == ("HEIF" in decode.FORMATS)


@pytest.mark.parametrize("kind", get_args(BusyKind))
def test_busy_says_when_to_try_again(kind: BusyKind) -> None:
    assert str(Busy(kind, 6.4)).endswith("try again in 6 s.")
    assert Busy(kind).retry_after == RESTART_SECONDS


def test_errors_keep_their_fields_in_another_process() -> None:
    bad = pickle.loads(pickle.dumps(BadImage("too many bytes", video=True, size=2, limit=1)))
    busy = pickle.loads(pickle.dumps(Busy("full", 3.5)))

    assert (bad.kind, bad.numbers) == ("too many bytes", {"size": 2, "limit": 1})
    assert bad.video
    assert (busy.kind, busy.retry_after) == ("full", 3.5)
