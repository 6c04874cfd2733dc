"""Channels on Telegram: photos of posts are captioned where an administrator switched that on."""

from bot.replies import replies
from bot.store.inbox_rows import Key
from captioner import Busy, Caption, Options
from tests.bot.telegram.chat import (
    CAR,
    CAT,
    DOG,
    Store,
    captioned,
    command,
    labels,
    running,
    settled,
    telegram,
)
from tests.bot.telegram.fake_telegram import CHANNEL, FakeTelegram


async def test_the_photos_of_a_channel_are_captioned_once_it_is_switched_on_there(
    fake: FakeTelegram, store: Store
) -> None:
    async with running(telegram(fake, store)):
        await fake.post(text="Good morning.")
        await fake.post(photo=[fake.photo(CAT)])
        await settled(store, answered=1)
        await fake.post(**command("/auto on"))
        confirmed = await fake.nth("sendMessage")
        post = await fake.post(photo=[fake.photo(DOG)])
        sent = await fake.nth("sendMessage", 2)
        await fake.post(**command("/auto@captions_bot off"))
        await fake.nth("sendMessage", 3)
        await fake.post(photo=[fake.photo(CAR)])
        await settled(store, answered=5)

    # Telegram sends posts only to those who ask for them.
    assert "channel_post" in fake.of("getUpdates")[0]["allowed_updates"]
    assert confirmed["text"] == replies.AUTO_ON
    assert (sent["chat_id"], sent["text"]) == (CHANNEL["id"], "Photo 0.")
    assert sent["reply_parameters"]["message_id"] == post["message_id"]
    assert len(fake.of("sendMessage")) == 3


async def test_a_caption_in_a_channel_rings_nobody_and_has_no_buttons(
    fake: FakeTelegram, store: Store
) -> None:
    await store.set_auto("telegram", CHANNEL["id"], True)
    async with running(telegram(fake, store)):
        await fake.post(photo=[fake.photo(DOG)])
        sent = await fake.nth("sendMessage")

    assert sent["disable_notification"] is True
    assert labels(sent) == []
    assert fake.of("sendChatAction") == []  # channels do not have it


async def test_an_album_of_a_channel_gets_one_reply(fake: FakeTelegram, store: Store) -> None:
    await store.set_auto("telegram", CHANNEL["id"], True)
    async with running(telegram(fake, store)):
        for photo in (DOG, CAT):
            await fake.post(photo=[fake.photo(photo)], media_group_id="a")
        sent = await fake.nth("sendMessage")

    assert sent["text"] == "1. Photo 0.\n2. Photo 1."
    assert len(fake.of("sendMessage")) == 1


async def test_the_readers_of_a_channel_are_not_told_what_went_wrong(
    fake: FakeTelegram, store: Store
) -> None:
    async def busy(photo: bytes, options: Options) -> Caption:
        raise Busy("full", 3)

    await store.set_auto("telegram", CHANNEL["id"], True)
    async with running(telegram(fake, store, busy)):
        await fake.post(photo=[fake.photo(DOG)])
        await settled(store, answered=1)
        quoted = fake.message(CHANNEL, photo=[fake.photo(DOG)])
        await fake.post(reply_to_message=quoted, **command("/caption"))  # who asks is told
        told = await fake.nth("sendMessage")

    assert told["text"] == replies.busy(Busy("full", 3))
    assert len(fake.of("sendMessage")) == 1


async def test_a_channel_above_its_rate_stays_silent(fake: FakeTelegram, store: Store) -> None:
    await store.set_auto("telegram", CHANNEL["id"], True)
    async with running(telegram(fake, store, photos_per_chat="2/minute")):
        for _ in range(4):
            await fake.post(photo=[fake.photo(DOG)])
        await settled(store, answered=4)

    assert [sent["text"] for sent in fake.of("sendMessage")] == ["Photo 0."] * 2


async def test_a_channel_can_ask_for_one_caption(fake: FakeTelegram, store: Store) -> None:
    quoted = fake.message(CHANNEL, photo=[fake.photo(DOG)])
    async with running(telegram(fake, store)):
        await fake.post(reply_to_message=quoted, **command("/caption"))
        first = await fake.nth("sendMessage")
        await fake.post(
            photo=[fake.photo(CAT)], **captioned("@captions_bot what?", "@captions_bot")
        )
        second = await fake.nth("sendMessage", 2)

    assert [first["text"], second["text"]] == ["Photo 0.", "Photo 1."]


async def test_other_commands_and_edits_in_a_channel_get_no_answer(
    fake: FakeTelegram, store: Store
) -> None:
    await store.set_auto("telegram", CHANNEL["id"], True)
    async with running(telegram(fake, store)):
        for name in ("/start", "/help", "/about", "/privacy", "/stats", "/leave"):
            await fake.post(**command(name))
        edited = fake.message(CHANNEL, sender_chat=CHANNEL, photo=[fake.photo(CAT)])
        await fake.update(edited_channel_post=edited)
        await fake.post(photo=[fake.photo(DOG)])
        await fake.nth("sendMessage")

    assert [sent["text"] for sent in fake.of("sendMessage")] == ["Photo 0."]


async def test_a_channel_that_is_not_allowed_stays_silent(fake: FakeTelegram, store: Store) -> None:
    async with running(telegram(fake, store, allowed="telegram:7")):
        await fake.post(**command("/auto on"))
        await fake.post(photo=[fake.photo(DOG)])
        await fake.all_fetched()

    assert fake.of("sendMessage") == []
    assert not await store.auto("telegram", CHANNEL["id"])


async def test_a_post_fetched_before_a_crash_is_answered_after_it(
    fake: FakeTelegram, store: Store
) -> None:
    await store.set_auto("telegram", CHANNEL["id"], True)
    post = fake.message(CHANNEL, sender_chat=CHANNEL, photo=[fake.photo(DOG)])
    del post["from"]
    reference = {"update_id": 1, "channel_post": post}
    key = Key("telegram", str(CHANNEL["id"]), str(post["message_id"]))
    assert await store.inbox.accept(key, reference)
    store.inbox.release(key)

    async with running(telegram(fake, store)):
        assert (await fake.nth("sendMessage"))["text"] == "Photo 0."

    assert await store.inbox.rows.counts() == {"answered": 1}
