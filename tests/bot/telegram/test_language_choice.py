"""A language is chosen for a chat on Telegram, with /language or one of its buttons."""

import pytest

from bot import languages
from bot.language_choice import OWN, choices
from bot.replies import replies
from bot.store.inbox_rows import Key
from tests.bot.speaking import said
from tests.bot.telegram.chat import (
    DOG,
    Store,
    command,
    labels,
    running,
    settled,
    telegram,
)
from tests.bot.telegram.fake_telegram import (
    ANN,
    BEN_PRIVATE,
    CHANNEL,
    GROUP,
    PRIVATE,
    FakeTelegram,
    Json,
    failure,
)
from tests.bot.telegram.speakers import ANNA, BENOIT, in_words, wording

pytestmark = [
    pytest.mark.usefixtures("translated"),
    # The library warns about its own use of RetryAfter.
    pytest.mark.filterwarnings("ignore::telegram.warnings.PTBDeprecationWarning"),
]


def keyboard(sent: Json) -> dict[str, str]:
    """Return the labels of a keyboard, by what their buttons send."""
    rows = sent["reply_markup"]["inline_keyboard"]
    return {button["callback_data"]: button["text"] for row in rows for button in row}


async def asked(fake: FakeTelegram, chat: Json = PRIVATE, sender: Json = ANNA) -> Json:
    """Have a person ask for the keyboard, and return the bot's message."""
    before = len(fake.of("sendMessage"))
    await fake.send(chat, sender, **command("/language"))
    await fake.nth("sendMessage", before + 1)
    await fake.until(lambda: "reply_markup" in fake.latest())
    return fake.latest()


@pytest.mark.parametrize("way", ["keyboard", "de", "Deutsch", "DE-at"])
async def test_a_person_chooses_a_language_which_a_restart_keeps(
    fake: FakeTelegram, store: Store, way: str
) -> None:
    async with running(telegram(fake, store)):
        if way == "keyboard":
            shown = await asked(fake, sender=BENOIT)
            asking = shown["text"], keyboard(shown)
            await fake.press("language:de", shown, BENOIT)
            answer = await fake.nth("editMessageText")
            alert = await fake.nth("answerCallbackQuery")
            assert "text" not in alert
            assert "reply_markup" not in shown
            with languages.speaking("fr"):
                own = choices(private=True)
            assert asking[0] == said("fr", lambda: replies.LANGUAGE_CHOICE)
            assert asking[1] == {f"language:{code}": label for code, label in own.items()}
        else:
            await fake.send(sender=BENOIT, **command(f"/language {way}"))
            answer = await fake.nth("sendMessage")
    assert answer["text"] == said("de", lambda: replies.language_set("de", private=True))
    assert "Deutsch" in answer["text"]

    before = len(fake.of("sendMessage"))
    async with running(telegram(fake, store)):
        await fake.send(sender=BENOIT, **command("/settings"))
        settings = await fake.nth("sendMessage", before + 1)
    assert said("de", lambda: replies.LANGUAGE_HERE).format(language="Deutsch") in settings["text"]


@pytest.mark.parametrize("way", ["keyboard", "command"])
async def test_a_person_can_go_back_to_the_language_of_their_app(
    fake: FakeTelegram, store: Store, way: str
) -> None:
    await store.set_language("telegram", PRIVATE["id"], "ar")
    async with running(telegram(fake, store)):
        if way == "keyboard":
            await fake.press("language:own", await asked(fake), ANNA)
            answer = await fake.nth("editMessageText")
        else:
            await fake.send(sender=ANNA, **command("/language own"))
            answer = await fake.nth("sendMessage")

    assert answer["text"] == said("de", lambda: replies.LANGUAGE_APP_SET)
    assert await store.language("telegram", PRIVATE["id"]) is None


async def test_a_group_set_to_arabic_reads_arabic_whoever_asks(
    fake: FakeTelegram, store: Store
) -> None:
    fake.administrators = {ANN["id"]}
    async with running(telegram(fake, store, in_words)):
        shown = await asked(fake, GROUP)
        assert keyboard(shown)[f"language:{OWN}"] == said("de", lambda: replies.LANGUAGE_OWN)
        await fake.press("language:ar", shown, ANNA)
        chosen = await fake.nth("editMessageText")
        photo = fake.message(GROUP, photo=[fake.photo(DOG)])
        await fake.send(GROUP, BENOIT, **command("/caption"), reply_to_message=photo)
        captioned = await fake.nth("sendMessage", 2)
        await fake.send(GROUP, BENOIT, **command("/caption"))
        refused = await fake.nth("sendMessage", 3)
        await fake.send(BEN_PRIVATE, BENOIT, text="Bonjour")
        elsewhere = await fake.nth("sendMessage", 4)

    assert chosen["text"] == said("ar", lambda: replies.language_set("ar", private=False))
    assert (captioned["text"], labels(captioned)) == ("ar.", wording("ar"))
    assert refused["text"] == said("ar", lambda: replies.NEEDS_PHOTO)
    assert elsewhere["text"] == said("fr", lambda: replies.HINT)


async def test_a_group_without_a_choice_reads_the_language_of_who_asks_or_sends(
    fake: FakeTelegram, store: Store
) -> None:
    fake.administrators = {ANN["id"]}
    await store.set_language("telegram", GROUP["id"], "ar")
    await store.set_auto("telegram", GROUP["id"], True)
    async with running(telegram(fake, store, in_words)):
        await fake.press("language:own", await asked(fake, GROUP), ANNA)
        chosen = await fake.nth("editMessageText")
        for number, sender in enumerate([ANNA, BENOIT], 2):
            await fake.send(GROUP, sender, photo=[fake.photo(DOG)])
            await fake.nth("sendMessage", number)
        await fake.send(GROUP, BENOIT, **command("/settings"))
        settings = await fake.nth("sendMessage", 4)

    assert chosen["text"] == said("de", lambda: replies.LANGUAGE_OWN_SET)
    assert [one["text"] for one in fake.of("sendMessage")[1:3]] == ["de.", "fr."]
    assert said("fr", lambda: replies.LANGUAGE_OWN_HERE) in settings["text"]


async def test_only_administrators_choose_the_language_of_a_group(
    fake: FakeTelegram, store: Store
) -> None:
    fake.administrators = {ANN["id"]}
    async with running(telegram(fake, store)):
        shown = await asked(fake, GROUP)
        await fake.press("language:ar", shown, BENOIT)
        alert = await fake.nth("answerCallbackQuery")
        for number, text in enumerate(["/language", "/language ar", "/language own"], 2):
            await fake.send(GROUP, BENOIT, **command(text))
            refused = await fake.nth("sendMessage", number)
            assert refused["text"] == said("fr", lambda: replies.LANGUAGE_ADMINS)
            assert "reply_markup" not in refused

    assert (alert["text"], alert["show_alert"]) == (
        said("fr", lambda: replies.LANGUAGE_ADMINS),
        True,
    )
    assert not fake.of("editMessageText")
    assert await store.language("telegram", GROUP["id"]) is None


async def test_a_button_pressed_before_a_crash_chooses_after_it(
    fake: FakeTelegram, store: Store
) -> None:
    shown = fake.message(sender=fake.bot, text="?")
    query = {"id": "5", "from": BENOIT, "chat_instance": "i", "message": shown}
    key = Key("telegram", str(PRIVATE["id"]), "press 5")
    reference = {"update_id": 1, "callback_query": {**query, "data": "language:de"}}
    assert await store.inbox.accept(key, reference)
    store.inbox.release(key)

    async with running(telegram(fake, store)):
        answer = await fake.nth("editMessageText")
        await settled(store, answered=1)

    assert answer["text"] == said("de", lambda: replies.language_set("de", private=True))
    assert await store.language("telegram", PRIVATE["id"]) == "de"


async def test_a_channel_reads_the_language_that_was_posted_there(
    fake: FakeTelegram, store: Store
) -> None:
    await store.set_auto("telegram", CHANNEL["id"], True)
    async with running(telegram(fake, store, in_words)):
        await fake.post(**command("/language pt"))
        chosen = await fake.nth("sendMessage")
        await fake.post(photo=[fake.photo(DOG)])
        captioned = await fake.nth("sendMessage", 2)

    assert chosen["text"] == said("pt", lambda: replies.language_set("pt", private=False))
    assert captioned["text"] == "pt."


async def test_a_language_that_the_bot_does_not_speak_is_answered_with_a_list(
    fake: FakeTelegram, store: Store
) -> None:
    async with running(telegram(fake, store)):
        await fake.send(sender=ANNA, **command("/language klingon"))
        sent = await fake.nth("sendMessage")

    assert sent["text"] == said("de", replies.language_unknown)
    assert all(name in sent["text"] for name in languages.NAMES.values())
    assert await store.language("telegram", PRIVATE["id"]) is None


@pytest.mark.parametrize("data", ["language:xx", "language:", "language:de!", "language:english"])
async def test_buttons_that_the_bot_never_made_choose_nothing(
    fake: FakeTelegram, store: Store, data: str
) -> None:
    async with running(telegram(fake, store)):
        await fake.press(data, await asked(fake), ANNA)
        alert = await fake.nth("answerCallbackQuery")

    assert alert["text"] == said("de", lambda: replies.GONE)
    assert await store.language("telegram", PRIVATE["id"]) is None


async def test_a_button_pressed_twice_chooses_once(fake: FakeTelegram, store: Store) -> None:
    fake.failures["editMessageText"] = [failure(400, "Bad Request: message is not modified")]
    async with running(telegram(fake, store)):
        await fake.press("language:fr", await asked(fake), ANNA)
        alert = await fake.nth("answerCallbackQuery")

    assert "text" not in alert
    assert await store.language("telegram", PRIVATE["id"]) == "fr"
