"""Every photo gets an answer, whatever happens."""

import asyncio
import io
import logging
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from PIL import Image
from prometheus_client import REGISTRY

from bot import languages
from bot.answers import Answers, CaptionPhoto
from bot.platforms import WEB
from bot.replies import replies
from bot.wording import take_apart
from captioner import BadImage, Busy, Caption, Captioner, Options, VideoCaption
from captioner.result import NamedObject, Word
from captioner.wording import worded
from tests.bot.stories import STORY, UNREADABLE, gif, tell, video_file
from tests.conftest import Trained, failing, on_cpu, photo_bytes, pixels

SURE = Caption("A dog runs.", -0.1, 0.9, (Word("a", -0.1, None),))
CAT = replace(
    SURE,
    out_of_distribution=True,
    objects=(NamedObject("a tabby cat", 0.9, ("a cat", "an animal")),),
)


def answers(caption: CaptionPhoto, deadline: float = 10) -> Answers:
    return Answers(caption, tell, pixels, WEB, deadline=deadline)


async def test_a_photo_is_answered_with_its_caption() -> None:
    async def caption(photo: bytes, options: Options) -> Caption:
        assert (photo, options) == (b"photo", Options())
        return SURE

    answer = await answers(caption).first(b"photo")

    assert (answer.text, answer.caption, answer.problem) == ("A dog runs.", SURE, None)


@pytest.mark.parametrize(
    ("error", "problem"),
    [
        (BadImage("empty"), "damaged"),
        (BadImage("damaged"), "damaged"),
        (BadImage("unsupported"), "unsupported"),
        (BadImage("unsupported HEIC"), "unsupported"),
        (BadImage("unsupported variant"), "unsupported"),
        (BadImage("too many bytes", size=9, limit=8), "too large"),
        (BadImage("too many pixels", width=9, height=8, max_pixels=7, max_side=6), "too large"),
        (BadImage("far too many pixels"), "too large"),
        (BadImage("too slow"), "too large"),
        (BadImage("too much memory"), "too large"),
    ],
)
async def test_a_bad_photo_is_answered_with_what_is_wrong(error: BadImage, problem: str) -> None:
    answer = await answers(failing(error)).first(b"")

    assert (answer.text, answer.problem, answer.caption) == (
        replies.bad_image(error),
        problem,
        None,
    )


async def test_a_full_queue_is_answered_with_when_to_try_again() -> None:
    answer = await answers(failing(Busy("full", retry_after=6.2))).first(b"")

    assert answer.text == replies.busy(Busy("full", 6.2))
    assert (answer.problem, answer.retry_after) == ("busy", 6.2)


async def test_a_full_queue_is_reported_before_the_photo_comes() -> None:
    def check_room() -> None:
        raise Busy("full", retry_after=6.2)

    full = replace(answers(failing(AssertionError())), check_room=check_room)

    assert full.no_room() == await answers(failing(Busy("full", retry_after=6.2))).first(b"")
    assert answers(failing(AssertionError())).no_room() is None


async def test_a_photo_that_takes_too_long_is_given_up() -> None:
    async def caption(photo: bytes, options: Options) -> Caption:
        await asyncio.Event().wait()
        return SURE

    answer = await answers(caption, deadline=0.01).first(b"")

    assert (answer.text, answer.problem) == (replies.LATE, "late")


async def test_an_unexpected_error_is_logged_and_answered_with_a_plain_sentence(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.ERROR):
        answer = await answers(failing(ZeroDivisionError("secret detail"))).first(b"")

    assert (answer.text, answer.problem) == (replies.FAILED, "failed")
    assert "ZeroDivisionError" in caplog.text


async def test_cancellation_passes_through() -> None:
    with pytest.raises(asyncio.CancelledError):
        await answers(failing(asyncio.CancelledError())).first(b"")  # type: ignore[arg-type]


async def test_another_caption_is_sampled_each_time_and_differs_from_the_shown_one() -> None:
    seen = []

    async def caption(photo: bytes, options: Options) -> Caption:
        seen.append(options)
        return replace(SURE, alternatives=(Caption("A cat sits.", -0.1, 0.9, SURE.words),))

    asked = answers(caption)
    assert (await asked.another(b"", 1, "A dog runs.")).text == "A cat sits."
    for shown in ("A dog runs. (Not sure.)", "I am not sure, but perhaps: a dog runs."):
        assert (await asked.another(b"", 2, shown)).text == "A cat sits."
    assert all(options.sample and options.alternatives for options in seen)
    assert seen[0].seed != seen[1].seed


async def test_the_surest_of_several_other_captions_is_chosen() -> None:
    def drawn(text: str, logprob: float, confidence: float) -> Caption:
        return Caption(text, logprob, confidence, SURE.words)

    async def caption(photo: bytes, options: Options) -> Caption:
        others = (SURE, drawn("A cat sits.", -2, 0.6))
        return replace(drawn("A held licks.", -0.3, 0.5), alternatives=others)

    assert (await answers(caption).another(b"", 1, "A dog runs.")).text == "A cat sits."


async def test_another_caption_differs_in_more_than_a_word() -> None:
    def drawn(text: str, confidence: float) -> Caption:
        return Caption(text, -1.0, confidence, SURE.words)

    async def caption(photo: bytes, options: Options) -> Caption:
        others = (drawn("A dog runs through the grass.", 0.7), drawn("A cat sits on it.", 0.4))
        return replace(drawn("A dog is running in the grass.", 0.9), alternatives=others)

    shown = "A dog is running through grass."
    assert (await answers(caption).another(b"", 1, shown)).text == "A cat sits on it."


async def test_another_caption_out_of_distribution_is_a_guess_too() -> None:
    other = Caption("This is the only cat.", -0.1, 0.9, SURE.words, out_of_distribution=True)

    async def caption(photo: bytes, options: Options) -> Caption:
        return replace(SURE, out_of_distribution=True, alternatives=(other,))

    # The words of doubt are not words of the shown caption.
    shown = worded(replace(SURE, out_of_distribution=True)).text
    answer = await answers(caption).another(b"", 1, shown)
    assert answer.text == "This is the only cat. (Only a guess.)"
    assert take_apart(answer.text).caption == other.text


@pytest.mark.parametrize("shown", ["It looks like a tabby cat.", "A dog runs. (Only a guess.)"])
async def test_another_caption_agrees_with_the_name_of_what_the_photo_shows(shown: str) -> None:
    def guessed(text: str, confidence: float) -> Caption:
        return replace(CAT, text=text, confidence=confidence)

    async def caption(photo: bytes, options: Options) -> Caption:
        others = (guessed("A cat sits on a wall.", 0.2), guessed("A bird flies.", 0.8))
        return replace(guessed("A man jumps.", 0.9), alternatives=others)

    answer = await answers(caption).another(b"", 1, shown)
    assert answer.text == "It looks like a tabby cat. Perhaps: a cat sits on a wall."


async def test_a_name_alone_is_no_other_caption() -> None:
    async def caption(photo: bytes, options: Options) -> Caption:
        return CAT

    shown = "It looks like a tabby cat."
    assert (await answers(caption).another(b"", 1, shown)).text == replies.NOTHING_ELSE


async def test_another_says_when_there_is_no_other_caption() -> None:
    async def caption(photo: bytes, options: Options) -> Caption:
        return SURE

    assert (await answers(caption).another(b"", 1, "A dog runs.")).text == replies.NOTHING_ELSE


async def test_attention_is_shown_as_a_picture(tiny: Trained) -> None:
    async with Captioner(*on_cpu(tiny)) as captioner:
        drawn_on = partial(captioner.pixels, max_side=100)
        asked = Answers(
            captioner.caption, captioner.caption_video, drawn_on, WEB, options=Options(beam=2)
        )
        answer = await asked.looked(photo_bytes(1))

    assert (answer.text, answer.problem) == (replies.LOOKED, None)
    assert answer.picture is not None
    with Image.open(io.BytesIO(answer.picture)) as picture:
        assert picture.format == "JPEG"
        assert min(picture.size) > 224


async def test_attention_for_a_caption_that_was_not_said_is_introduced_as_such() -> None:
    word = Word("a", -0.1, np.full((2, 2), 0.25, np.float32))

    async def caption(photo: bytes, options: Options) -> Caption:
        return replace(CAT, words=(word,))

    answer = await answers(caption).looked(photo_bytes(1))

    assert (answer.text, answer.picture is None) == (replies.LOOKED_UNSAID, False)


async def test_a_model_without_attention_cannot_show_where_it_looked() -> None:
    async def caption(photo: bytes, options: Options) -> Caption:
        return SURE

    answer = await answers(caption).looked(photo_bytes(1))

    assert (answer.text, answer.picture) == (replies.NO_ATTENTION, None)


async def test_answers_are_counted_by_platform_and_kind() -> None:
    def count(name: str, **labels: str) -> float:
        return REGISTRY.get_sample_value(name, labels) or 0

    before = count("captioner_errors_total", platform="web", kind="damaged")
    refused = count("captioner_photos_total", platform="web", outcome="refused")
    await answers(failing(BadImage("damaged"))).first(b"")

    assert count("captioner_errors_total", platform="web", kind="damaged") == before + 1
    assert count("captioner_photos_total", platform="web", outcome="refused") == refused + 1


async def test_guesses_are_counted_separately(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def count(outcome: str) -> float:
        labels = {"platform": "web", "outcome": outcome}
        return REGISTRY.get_sample_value("captioner_photos_total", labels) or 0

    async def caption(photo: bytes, options: Options) -> Caption:
        return replace(SURE, out_of_distribution=photo == b"a drawing")

    before = count("captioned"), count("guessed")
    for photo in (b"a drawing", b"a dog", b"a drawing"):
        await answers(caption).first(photo)

    assert (count("captioned"), count("guessed")) == (before[0] + 1, before[1] + 2)
    told = [vars(record) for record in caplog.records if record.message == "answered"]
    assert [one["outcome"] for one in told] == ["guessed", "captioned", "guessed"]


async def test_each_photo_is_one_event_with_its_durations(caplog: pytest.LogCaptureFixture) -> None:
    async def caption(photo: bytes, options: Options) -> Caption:
        return replace(SURE, seconds={"decode": 0.0123456, "wait": 0.5})

    await answers(caption).first(b"")
    await answers(failing(BadImage("damaged"))).first(b"")

    told = [vars(record) for record in caplog.records if record.message == "answered"]
    assert [(one["levelname"], one["platform"]) for one in told] == [("INFO", "web")] * 2
    assert [one["outcome"] for one in told] == ["captioned", "damaged"]
    assert (told[0]["decode"], told[0]["wait"]) == (0.012, 0.5)
    assert all(0 <= one["seconds"] < 10 for one in told)
    assert "dog" not in caplog.text.lower()


async def test_a_video_is_told_and_what_is_still_is_captioned() -> None:
    async def caption(photo: bytes, options: Options) -> Caption:
        return SURE

    asked = answers(caption)
    for moving in (video_file(), video_file("webm", "libvpx-vp9"), gif()):
        answer = await asked.moving_or_still(moving)
        assert answer == await asked.story(moving)
        assert answer.text == STORY
        assert answer.video == await tell(moving, Options())
        assert answer.caption == answer.video.told[0].caption
    answer = await asked.moving_or_still(photo_bytes(1))
    assert (answer.text, answer.video) == (SURE.text, None)


async def test_a_story_is_in_the_language_that_is_spoken_and_is_counted() -> None:
    def count() -> float:
        return REGISTRY.get_sample_value("captioner_videos_total", {"platform": "web"}) or 0

    seen = []

    async def noted(video: bytes, options: Options) -> VideoCaption:
        seen.append(options.language)
        return await tell(video, options)

    asked = replace(answers(failing(AssertionError())), caption_video=noted, languages=("en", "de"))
    before = count()
    with languages.speaking("de"):
        await asked.story(video_file())
    with languages.speaking("fr"):
        await asked.story(video_file())

    assert seen == ["de", None]
    assert count() == before + 2


async def test_a_video_that_cannot_be_told_gets_a_sentence() -> None:
    asked = answers(failing(AssertionError()))
    answer = await asked.story(UNREADABLE)
    assert (answer.problem, answer.video, answer.caption) == ("unsupported", None, None)

    async def busy(video: bytes, options: Options) -> VideoCaption:
        raise Busy("full", 3)

    answer = await replace(asked, caption_video=busy, deadline=0.4).story(video_file())
    assert (answer.text, answer.retry_after) == (replies.busy(Busy("full", 3)), 3)


async def test_a_video_waits_for_room() -> None:
    full = [Busy("full", 3), Busy("full", 3)]

    async def tell_later(video: bytes, options: Options) -> VideoCaption:
        if full:
            raise full.pop()
        return await tell(video, options)

    asked = replace(answers(failing(AssertionError())), caption_video=tell_later)
    assert (await asked.story(video_file())).video is not None
    assert full == []


async def test_the_caption_of_a_preview_says_that_it_is_one() -> None:
    async def caption(photo: bytes, options: Options) -> Caption:
        return SURE

    told = await answers(caption).preview(photo_bytes(1))
    assert told.text == f"{SURE.text} {replies.ONLY_PREVIEW}"


async def test_frames_are_shown_only_where_the_captioner_sends_them() -> None:
    async def blind(video: bytes, options: Options) -> VideoCaption:
        return await tell(video, replace(options, attention=False))

    asked = answers(failing(AssertionError()))
    shown = await asked.looked_at_scenes(video_file())
    assert shown.picture is not None
    assert Image.open(io.BytesIO(shown.picture)).format == "JPEG"
    assert shown.text == replies.LOOKED_AT_SCENES
    hidden = await replace(asked, caption_video=blind).looked_at_scenes(video_file())
    assert (hidden.text, hidden.picture) == (replies.NO_ATTENTION, None)
