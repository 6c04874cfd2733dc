"""Who may use the bot on Telegram, and how often."""

import time

from bot.replies import replies
from tests.bot.telegram.chat import (
    CAT,
    DOG,
    Store,
    captioned,
    command,
    running,
    telegram,
)
from tests.bot.telegram.fake_telegram import (
    BEN,
    BEN_PRIVATE,
    GROUP,
    FakeTelegram,
    failure,
)


async def test_only_allowed_people_are_answered_and_others_get_one_refusal(
    fake: FakeTelegram, store: Store
) -> None:
    async with running(telegram(fake, store, allowed="telegram:7")):
        await fake.send(BEN_PRIVATE, BEN, photo=[fake.photo(DOG)])
        refusal = await fake.nth("sendMessage")
        await fake.send(BEN_PRIVATE, BEN, **command("/help"))
        await fake.send(photo=[fake.photo(CAT)])
        answer = await fake.nth("sendMessage", 2)

    assert (refusal["chat_id"], refusal["text"]) == (8, replies.NOT_ALLOWED)
    assert (answer["chat_id"], answer["text"]) == (7, "Photo 1.")
    assert len(fake.of("sendMessage")) == 2
    assert await store.inbox.rows.counts() == {"answered": 3}


async def test_a_blocked_person_gets_no_answer_not_even_to_a_button(
    fake: FakeTelegram, store: Store
) -> None:
    async with running(telegram(fake, store)):
        await fake.send(photo=[fake.photo(DOG)])
        await fake.nth("sendMessage")
    async with running(telegram(fake, store, blocked="telegram:7")):
        await fake.send(photo=[fake.photo(DOG)])
        await fake.press("another:1", fake.latest())
        told = await fake.nth("answerCallbackQuery")

    assert "text" not in told
    assert len(fake.of("sendMessage")) == 1
    assert fake.of("editMessageText") == []


async def test_a_group_that_is_not_allowed_gets_a_refusal_only_if_it_asks(
    fake: FakeTelegram, store: Store
) -> None:
    asking = captioned("@captions_bot what?", "@captions_bot")

    async with running(telegram(fake, store, allowed="telegram:1")):
        await fake.send(GROUP, text="Good morning!")
        await fake.send(GROUP, photo=[fake.photo(DOG)])
        await fake.send(GROUP, photo=[fake.photo(CAT)], **asking)
        refusal = await fake.nth("sendMessage")

    assert refusal["text"] == replies.NOT_ALLOWED
    assert len(fake.of("sendMessage")) == 1
    assert fake.fetched == []


async def test_a_refused_command_is_not_run_even_if_the_refusal_cannot_be_sent(
    fake: FakeTelegram, store: Store
) -> None:
    fake.failures["sendMessage"] = [failure(500, "down")]

    async with running(telegram(fake, store, allowed="telegram:1")):
        await fake.send(**command("/help"))
        await fake.nth("sendMessage")

    assert [sent["text"] for sent in fake.of("sendMessage")] == [replies.NOT_ALLOWED]
    assert await store.inbox.rows.counts() == {"open": 1}


async def test_too_many_photos_get_one_refusal_with_the_time_to_wait(
    fake: FakeTelegram, store: Store
) -> None:
    async with running(telegram(fake, store, photos_per_person="2/minute")):
        for number in range(1, 6):
            await fake.send(photo=[fake.photo(DOG)])
            if number <= 3:
                await fake.nth("sendMessage", number)
        await fake.send(**command("/about"))
        await fake.nth("sendMessage", 4)

    said = [sent["text"] for sent in fake.of("sendMessage")]
    assert said[:2] == ["Photo 0.", "Photo 0."]
    assert said[2].startswith(replies.TOO_MANY.partition("{")[0])
    assert said[3] == "I am a small model."
    assert len(fake.fetched) == 2


async def test_photos_that_waited_while_the_bot_was_down_count_towards_no_rate(
    fake: FakeTelegram, store: Store
) -> None:
    for _ in range(3):
        await fake.send(photo=[fake.photo(DOG)], date=int(time.time()) - 3600)

    async with running(telegram(fake, store, photos_per_person="1/minute")):
        await fake.nth("sendMessage", 3)

    assert {sent["text"] for sent in fake.of("sendMessage")} == {"Photo 0."}


async def test_each_photo_of_an_album_counts_towards_the_rate(
    fake: FakeTelegram, store: Store
) -> None:
    async with running(telegram(fake, store, photos_per_person="3/minute")):
        for photo in (DOG, CAT):
            await fake.send(photo=[fake.photo(photo)], media_group_id="a")
        await fake.nth("sendMessage")
        for photo in (DOG, CAT):
            await fake.send(photo=[fake.photo(photo)], media_group_id="b")
        second = await fake.nth("sendMessage", 2)

    assert second["text"].startswith(replies.TOO_MANY.partition("{")[0])


async def test_a_button_counts_as_a_photo_and_is_refused_over_the_rate(
    fake: FakeTelegram, store: Store
) -> None:
    async with running(telegram(fake, store, photos_per_chat="1/minute")):
        await fake.send(photo=[fake.photo(DOG)])
        await fake.nth("sendMessage")
        await fake.press("another:1", fake.latest())
        told = await fake.nth("answerCallbackQuery")

    assert told["text"].startswith(replies.TOO_MANY.partition("{")[0])
    assert fake.of("editMessageText") == []
