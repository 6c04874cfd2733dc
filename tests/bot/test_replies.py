"""The bot's sentences, the same on every platform."""

from typing import get_args

import pytest

from bot import languages
from bot.languages import speaking
from bot.replies import replies
from captioner import BadImage, Busy
from captioner.errors import NUMBERS, BadImageKind
from captioner.photo import decode


def test_an_album_is_numbered_and_counts_the_pictures_left_out() -> None:
    assert replies.album(["A dog.", "A cat."]) == ["1. A dog.", "2. A cat."]
    assert replies.album(["A dog."], 1) == [
        "1. A dog.\nI describe up to 1 files at once; I left out 1 more."
    ]
    *_, last = replies.album(["A.", "B."], 3, answered=2)
    assert last == "4. B.\nI describe up to 4 files at once; I left out 3 more."


@pytest.mark.parametrize(
    ("seconds", "said"), [(0.2, "a second"), (1.0, "a second"), (1.1, "2 seconds"), (60, "60")]
)
def test_busy_says_when_to_try_again(seconds: float, said: str) -> None:
    assert said in replies.busy(Busy("full", seconds))


def test_busy_says_when_the_bot_is_being_stopped() -> None:
    assert replies.busy(Busy("stopping")) == "I am about to stop. Please try again in 60 seconds."


@pytest.mark.parametrize("video", [False, True])
@pytest.mark.parametrize("kind", get_args(BadImageKind))
def test_every_bad_image_has_a_sentence_of_the_bots_own(kind: BadImageKind, video: bool) -> None:
    error = BadImage(kind, video=video, **dict.fromkeys(NUMBERS[kind], 2**26))

    said = replies.bad_image(error)
    assert said.endswith(".")
    assert kind == "empty" or said != str(error)


@pytest.mark.parametrize(
    "kind", ["too many pixels", "too slow", "too much memory", "damaged", "unsupported variant"]
)
def test_what_is_wrong_with_a_video_is_said_of_a_video(kind: BadImageKind) -> None:
    numbers = dict.fromkeys(NUMBERS[kind], 2**26)

    said = replies.bad_image(BadImage(kind, video=True, **numbers))
    assert "video" in said
    assert "picture" not in said
    assert "JPEG" not in said
    assert "video" not in replies.bad_image(BadImage(kind, video=False, **numbers))


def test_the_formats_that_can_be_sent_instead_are_named() -> None:
    said = replies.bad_image(BadImage("unsupported"))
    assert "JPEG 2000" in said
    assert ("HEIC" in said) == ("HEIF" in decode.FORMATS)


def test_a_bad_image_is_worded_with_its_limits() -> None:
    large = BadImage("too many bytes", size=2**25, limit=20 * 2**20)
    assert replies.bad_image(large) == replies.too_large(20)
    pixels = BadImage("too many pixels", width=9, height=8, max_pixels=50_000_000, max_side=65_535)
    assert "9 x 8 pixels" in replies.bad_image(pixels)
    assert "50 million pixels, and up to 65535 on each side" in replies.bad_image(pixels)


def test_settings_list_those_of_the_chat() -> None:
    group = replies.settings(auto=True, private=False, max_mb=20, max_video_mb=50, max_photos=10)
    assert replies.AUTO_ON in group
    assert "photos of up to 20 MB, videos of up to 50 MB, and 10 files at once" in group
    assert replies.AUTO_PRIVATE in replies.settings(
        auto=False, private=True, max_mb=20, max_video_mb=50, max_photos=10
    )


def test_settings_name_the_language() -> None:
    def listed(code: str, chosen: str | None, *, private: bool) -> str:
        with languages.speaking(code):
            return replies.settings(
                auto=False,
                private=private,
                max_mb=20,
                max_video_mb=20,
                max_photos=10,
                chosen=chosen,
            )

    assert "I speak English here." in listed("en", None, private=True)
    assert "I speak English here." in listed("en", "en", private=False)
    assert replies.LANGUAGE_OWN_HERE in listed("en", None, private=False)
    assert "Deutsch" in listed("de", "de", private=True)


@pytest.mark.parametrize(("code", "end"), [("en", ", or JPEG 2000."), ("de", " oder JPEG 2000.")])
def test_formats_are_listed_as_in_the_language(code: str, end: str) -> None:
    with speaking(code):
        assert replies.bad_image(BadImage("unsupported")).endswith(end)
