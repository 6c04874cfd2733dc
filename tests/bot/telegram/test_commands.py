"""The bot's commands on Telegram."""

from typing import Any

import pytest

from bot.replies import COMMANDS, replies
from tests.bot.telegram.chat import (
    CAT,
    DOG,
    Store,
    command,
    running,
    sticker,
    telegram,
)
from tests.bot.telegram.fake_telegram import (
    ANN,
    BEN,
    BEN_PRIVATE,
    GROUP,
    PRIVATE,
    FakeTelegram,
    Json,
    failure,
)

# The library warns about its own use of RetryAfter.
pytestmark = pytest.mark.filterwarnings("ignore::telegram.warnings.PTBDeprecationWarning")


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("/start", replies.START),
        ("/help", replies.help_text(replies.TELEGRAM_GROUP_HELP)),
        ("/privacy@Captions_Bot", replies.PRIVACY),
        ("/ABOUT", "I am a small model."),
        ("/auto on", replies.AUTO_PRIVATE),
        ("/caption", replies.NEEDS_PHOTO),
        (
            "/settings",
            replies.settings(auto=False, private=True, max_mb=20, max_video_mb=20, max_photos=10),
        ),
    ],
)
async def test_commands_are_answered(
    fake: FakeTelegram, store: Store, text: str, answer: str
) -> None:
    async with running(telegram(fake, store)):
        await fake.send(**command(text))
        sent = await fake.nth("sendMessage")

    assert sent["text"] == answer
    assert sent["link_preview_options"] == {"is_disabled": True}


async def test_commands_are_shown_in_the_menu(fake: FakeTelegram, store: Store) -> None:
    async with running(telegram(fake, store)):
        await fake.nth("getUpdates")

    private, groups = fake.of("setMyCommands")
    assert {one["command"] for one in groups["commands"]} == set(COMMANDS)
    assert {one["command"] for one in private["commands"]} == set(COMMANDS) - {"auto"}
    assert groups["scope"] == {"type": "all_group_chats"}
    assert "scope" not in private


async def test_a_caption_command_needs_a_photo(fake: FakeTelegram, store: Store) -> None:
    words = fake.message(GROUP, text="No photo.")

    async with running(telegram(fake, store)):
        await fake.send(GROUP, **command("/caption"), reply_to_message=words)
        sent = await fake.nth("sendMessage")

    assert sent["text"] == replies.NEEDS_PHOTO


async def test_auto_captions_every_photo_until_switched_off_over_restarts_too(
    fake: FakeTelegram, store: Store
) -> None:
    fake.administrators = {ANN["id"]}
    async with running(telegram(fake, store)):
        await fake.send(GROUP, **command("/auto@captions_bot ON"))
        assert (await fake.nth("sendMessage"))["text"] == replies.AUTO_ON

    async with running(telegram(fake, store)):
        await fake.send(GROUP, photo=[fake.photo(DOG)])
        assert (await fake.nth("sendMessage", 2))["text"] == "Photo 0."
        await fake.send(GROUP, document=fake.file(CAT, mime_type="image/png"))
        assert (await fake.nth("sendMessage", 3))["text"] == "Photo 1."
        await fake.send({**GROUP, "id": -200}, photo=[fake.photo(DOG)])
        await fake.send(GROUP, sticker=sticker(fake))
        await fake.send(GROUP, text="Hello.")
        await fake.all_fetched()
        await fake.send(GROUP, **command("/auto off"))
        assert (await fake.nth("sendMessage", 4))["text"] == replies.AUTO_OFF
        await fake.send(GROUP, photo=[fake.photo(DOG)])
        await fake.all_fetched()

    assert len(fake.of("sendMessage")) == 4


async def test_only_administrators_switch_auto(fake: FakeTelegram, store: Store) -> None:
    anonymous = {"id": 1087968824, "is_bot": True, "first_name": "Group"}
    channel = {"id": -300, "type": "channel", "title": "News"}
    bot = telegram(fake, store)

    async def said(number: int) -> str:
        return str((await fake.nth("sendMessage", number))["text"])

    async with running(bot):
        await fake.send(GROUP, **command("/auto on"))
        assert await said(1) == replies.AUTO_ADMINS
        await fake.send(GROUP, anonymous, sender_chat=channel, **command("/auto on"))
        assert await said(2) == replies.AUTO_ADMINS
        fake.failures["getChatMember"] = [failure(400, "Bad Request: no rights")]
        await fake.send(GROUP, **command("/auto on"))
        assert await said(3) == replies.AUTO_ADMINS
        await fake.send(GROUP, **command("/auto perhaps"))
        assert await said(4) == replies.AUTO_USAGE
        assert not await store.auto("telegram", GROUP["id"])
        await fake.send(GROUP, anonymous, sender_chat=GROUP, **command("/auto on"))
        assert await said(5) == replies.AUTO_ON
        assert await store.auto("telegram", GROUP["id"])


@pytest.mark.parametrize("administrator", [True, False])
async def test_auto_says_what_is_missing_in_privacy_mode(
    fake: FakeTelegram, store: Store, administrator: bool
) -> None:
    fake.bot["can_read_all_group_messages"] = False
    fake.administrators = {ANN["id"], fake.bot["id"]} if administrator else {ANN["id"]}

    async with running(telegram(fake, store)):
        await fake.send(GROUP, **command("/auto on"))
        sent = await fake.nth("sendMessage")

    assert (replies.TELEGRAM_PRIVACY_MODE in sent["text"]) is not administrator
    assert await store.auto("telegram", GROUP["id"])


@pytest.mark.parametrize(
    ("name", "sender", "chat", "said", "left"),
    [
        ("/stats", ANN, PRIVATE, "Some figures.", 0),
        ("/stats", BEN, BEN_PRIVATE, replies.OPERATORS_ONLY, 0),
        ("/leave", ANN, GROUP, replies.LEAVING, 1),
        ("/leave", BEN, GROUP, replies.OPERATORS_ONLY, 0),
        ("/leave", ANN, PRIVATE, replies.LEAVE_GROUPS, 0),
    ],
)
async def test_only_operators_get_figures_and_make_the_bot_leave(
    fake: FakeTelegram, store: Store, name: str, sender: Json, chat: Json, said: str, left: int
) -> None:
    async with running(telegram(fake, store, operators="telegram:7")):
        await fake.send(chat, sender, **command(name))
        sent = await fake.nth("sendMessage")

    calls: list[Any] = fake.of("leaveChat")
    assert sent["text"] == said
    assert len(calls) == left
