"""What people said about captions is kept once for each caption of a photo, in either store."""

import asyncio
import time
from dataclasses import replace

import pytest

from bot.store import feedback_rows
from bot.store.feedback_rows import FeedbackRow, FeedbackRows

PHOTO, OTHER = "a" * 64, "b" * 64
GOOD = FeedbackRow(PHOTO, "A dog runs.", "en", "good")


async def said(feedback: FeedbackRows) -> list[FeedbackRow]:
    return [replace(row, given=0.0) for row in await feedback.all()]


async def test_what_was_said_is_kept_with_its_time(feedback: FeedbackRows) -> None:
    before = time.time()
    await feedback.put(GOOD)
    (row,) = await feedback.all()
    assert replace(row, given=0.0) == GOOD
    assert before - 1 <= row.given <= time.time() + 1


async def test_of_one_caption_of_one_photo_the_last_word_counts(feedback: FeedbackRows) -> None:
    other, longer = replace(GOOD, photo=OTHER), replace(GOOD, caption="A dog runs fast.")
    bad = replace(GOOD, verdict="bad", correction="A cat sleeps.")
    for row in (GOOD, other, longer, bad):
        await feedback.put(row)

    assert await said(feedback) == [other, longer, bad]


async def test_what_was_said_can_be_taken_back(feedback: FeedbackRows) -> None:
    other = replace(GOOD, photo=OTHER)
    for row in (GOOD, other):
        await feedback.put(row)
    await feedback.withdraw(PHOTO, GOOD.caption)
    await feedback.withdraw(PHOTO, "A caption of which nothing was said.")

    assert await said(feedback) == [other]


async def test_a_photo_or_everything_is_forgotten(feedback: FeedbackRows) -> None:
    for photo in (PHOTO, OTHER, "c" * 64):
        for caption in ("One.", "Two."):
            await feedback.put(FeedbackRow(photo, caption, "en", "good"))

    assert await feedback.forget(PHOTO) == 2
    assert await feedback.forget(PHOTO) == 0
    assert {row.photo for row in await feedback.all()} == {OTHER, "c" * 64}
    assert await feedback.forget() == 4
    assert await feedback.all() == []


async def test_the_newest_rows_are_kept(
    feedback: FeedbackRows, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feedback_rows, "MOST", 3)
    monkeypatch.setattr(feedback_rows, "TRIMMED_EVERY", 1)
    rows = [replace(GOOD, caption=f"Caption {number}.") for number in range(5)]
    for row in rows[:3]:
        await feedback.put(row)
    for _ in range(4):  # what is said again of one caption costs no other its place
        await feedback.put(rows[0])
    assert await said(feedback) == [rows[1], rows[2], rows[0]]

    for row in rows[3:]:
        await feedback.put(row)
    assert await said(feedback) == [rows[0], rows[3], rows[4]]


async def test_rows_that_are_too_many_stay_for_a_while_at_most(
    feedback: FeedbackRows, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feedback_rows, "MOST", 3)
    monkeypatch.setattr(feedback_rows, "TRIMMED_EVERY", 5)
    for number in range(27):
        await feedback.put(replace(GOOD, caption=f"Caption {number}."))
        assert len(await feedback.all()) < 3 + 5


async def test_many_can_say_something_at_once(feedback: FeedbackRows) -> None:
    rows = [replace(GOOD, caption=f"Caption {number % 10}.") for number in range(50)]
    await asyncio.gather(*map(feedback.put, rows))
    assert sorted(row.caption for row in await feedback.all()) == [
        f"Caption {number}." for number in range(10)
    ]


async def test_the_longest_texts_are_kept_whole(feedback: FeedbackRows) -> None:
    # In characters of four bytes each.
    text = "".join(map(chr, range(0x20000, 0x20000 + feedback_rows.LONGEST)))
    row = FeedbackRow(PHOTO, text, "zh", "bad", text[::-1])
    await feedback.put(row)
    assert await said(feedback) == [row]
