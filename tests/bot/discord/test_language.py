"""Everyone on Discord reads their own language, or the one that was chosen for the channel."""

import pytest

from bot import languages
from bot.discord.language import MENUS
from bot.languages import translated
from bot.replies import (
    COMMANDS,
    DISCORD_CAPTION,
    DISCORD_MENU,
    DISCORD_OPTIONS,
    OPERATORS_COMMANDS,
    Replies,
    replies,
)
from captioner import BadImage, Busy
from tests.bot.discord.asking import Ask, another, look, menu, slash
from tests.bot.discord.fake_payloads import (
    CHANNEL,
    EPHEMERAL,
    GRANTED,
    MANAGE_CHANNELS,
    PRIVATE,
    THREAD,
    Json,
)
from tests.bot.discord.world import BROKEN, PHOTOS, World, row
from tests.bot.speaking import said

pytestmark = pytest.mark.usefixtures("translated", "quick_inbox")

RIGHTS: Json = {"permissions": MANAGE_CHANNELS}


def wording(code: str) -> list[str]:
    """Return the labels of the buttons under a caption."""
    with languages.speaking(code):
        return [replies.ANOTHER, replies.LOOK, replies.ALT_TEXT]


def shown(answer: Json) -> list[str]:
    return [label for _, label in row(answer["components"])]


async def test_a_person_whose_discord_is_german_reads_german(world: World) -> None:
    fake = world.fake
    async with world.running():
        photo = fake.attachment(PHOTOS[0])
        captioned = await fake.edited(await fake.use("caption", {"photo": photo}, locale="de"))
        broken = await fake.use("caption", {"photo": fake.attachment(BROKEN)}, locale="de")
        refused = await fake.edited(broken)
        helped = await fake.acknowledged(await fake.use("help", locale="de"))
        message = world.bot_messages()[0]
        world.model.problem = Busy("full", 3.0)
        alert = await fake.followed_up(await fake.press(message, "another:1", locale="fr"))

    assert world.model.asked[0].language == "de"
    assert shown(captioned) == wording("de")
    assert refused["content"] == said("de", lambda: replies.bad_image(BadImage("damaged")))
    expected = said("de", lambda: replies.help_text(replies.DISCORD_GROUP_HELP))
    assert helped["data"]["content"] == expected
    assert alert.body["content"] == said("fr", lambda: replies.busy(Busy("full", 3.0)))


@pytest.mark.parametrize(
    ("locale", "server", "code"),
    [
        ("pt-BR", "de", "pt"),
        ("zh-CN", None, "zh"),
        ("ja", "de", "de"),
        ("ja", "ko", "en"),
        ("en-GB", "de", "en"),
    ],
)
async def test_a_person_reads_their_language_or_else_the_servers(
    world: World, locale: str, server: str | None, code: str
) -> None:
    fields: Json = {"locale": locale} | ({"guild_locale": server} if server else {})
    async with world.running():
        answer = await world.fake.acknowledged(await world.fake.use("privacy", **fields))

    assert answer["data"]["content"] == said(code, lambda: replies.PRIVACY)


async def test_two_people_at_once_read_each_their_own(world: World) -> None:
    fake = world.fake
    world.model.open.clear()
    async with world.running():
        asked = {
            code: await fake.use("caption", {"photo": fake.attachment(PHOTOS[0])}, locale=code)
            for code in ("de", "fr")
        }
        await world.model.reached(2)
        world.model.open.set()
        answers = {code: await fake.edited(one) for code, one in asked.items()}

    assert {code: shown(answer) for code, answer in answers.items()} == {
        code: wording(code) for code in asked
    }


async def test_messages_in_a_server_are_answered_in_its_language(world: World) -> None:
    fake = world.fake
    fake.locale, fake.flags = "fr", GRANTED
    async with world.running():
        await fake.mention("Bonjour")
        hinted = await fake.sent()
        await fake.mention(attachments=[fake.attachment(PHOTOS[0])])
        captioned = await fake.sent(2)
        await world.chats.set_language("discord", CHANNEL, "ar")
        await fake.mention("Bonjour", channel_id=THREAD)
        chosen = await fake.sent(3)
        await fake.say("Bonjour", channel_id=PRIVATE)
        private = await fake.sent(4)

    assert hinted["content"] == said("fr", lambda: replies.HINT)
    assert shown(captioned) == wording("fr")
    assert world.model.asked[0].language == "fr"
    assert chosen["content"] == said("ar", lambda: replies.HINT)
    assert private["content"] == replies.HINT


@pytest.mark.parametrize("ask", [slash, menu, another, look])
async def test_a_request_in_progress_at_a_crash_is_answered_in_its_language_after_it(
    world: World, ask: Ask
) -> None:
    await world.chats.set_language("discord", CHANNEL, "de")
    world.model.open.clear()
    async with world.killed():
        asked = await ask(world)
        await world.model.reached()
        rows = await world.inbox.rows.having("open")
    world.model.open.set()
    async with world.running():
        await world.settled(asked)

    assert [one.reference["language"] for one in rows] == ["de"]
    assert {options.language for options in world.model.asked} == {"de"}
    answer = await world.fake.edited(asked)
    if ask is look:
        assert answer["content"] == said("de", lambda: replies.LOOKED)
    else:
        assert shown(answer) == wording("de")


@pytest.mark.parametrize(
    ("kept", "chosen", "code"),
    [(True, None, "fr"), (True, "de", "de"), (False, "de", "de"), (False, None, "en")],
)
async def test_a_message_in_progress_at_a_crash_is_answered_in_its_language_after_it(
    world: World, kept: bool, chosen: str | None, code: str
) -> None:
    fake = world.fake
    fake.locale = "fr"
    world.model.open.clear()
    async with world.killed():
        asked = await fake.mention(attachments=[fake.attachment(PHOTOS[0])])
        await world.model.reached()
        (row,) = await world.inbox.rows.having("open")
    assert row.reference["language"] == "fr"
    if not kept:  # a row of an earlier version
        change = "UPDATE entries SET reference = json_remove(reference, '$.language')"
        await world.rows.run(lambda db: db.execute(change))
    await world.chats.set_language("discord", CHANNEL, chosen)
    fake.locale = "en-US"
    world.model.open.set()
    async with world.running():
        await world.settled(asked)

    assert shown(await fake.sent()) == wording(code)


async def test_a_message_that_is_given_up_gets_an_apology_in_the_servers_language(
    world: World,
) -> None:
    fake = world.fake
    fake.locale = "fr"
    photo = fake.attachment(PHOTOS[0])
    fake.fail("GET", f"/cdn/{photo['id']}/photo.jpg", 500, times=3)
    async with world.running():
        asked = await fake.mention(attachments=[photo])
        await world.settled(asked, state="given up")

    assert (await fake.sent())["content"] == said("fr", lambda: replies.GIVEN_UP)


async def test_an_apology_in_any_language_is_no_answer(world: World) -> None:
    fake = world.fake
    world.model.open.clear()
    async with world.killed():
        asked = await world.photo()
        await world.model.reached()
    reference = {"message_id": asked["id"], "channel_id": PRIVATE}
    failed = said("de", lambda: replies.FAILED)
    fake.message(failed, channel_id=PRIVATE, author=fake.me, message_reference=reference)
    world.model.open.set()
    async with world.running():
        await world.settled(asked)

    assert world.bot_messages()[-1]["content"] == "A dog runs."


@pytest.mark.parametrize(("context", "channel"), [(0, CHANNEL), (1, PRIVATE)])
async def test_a_language_is_chosen_for_a_channel_and_kept_over_a_restart(
    world: World, context: int, channel: str
) -> None:
    fake, place = world.fake, {"context": context, **RIGHTS}
    private = context == 1
    async with world.running():
        asked = await fake.use("language", {"language": "de"}, locale="fr", **place)
        chosen = await fake.edited(asked)
        flags = (await fake.acknowledged(asked))["data"]["flags"]

    async with world.running():
        listed = await fake.edited(await fake.use("settings", locale="fr", **place))
        helped = await fake.acknowledged(await fake.use("about", locale="fr"))
        asked = await fake.use("language", {"language": "own"}, locale="fr", **place)
        own = await fake.edited(asked)
        hinted = await fake.acknowledged(await fake.use("privacy", locale="fr", **place))

    assert flags == EPHEMERAL
    assert chosen["content"] == said("de", lambda: replies.language_set("de", private=private))
    here = said("de", lambda: replies.LANGUAGE_HERE).format(language="Deutsch")
    assert here in listed["content"]
    assert helped["type"] == 4
    assert own["content"] == said("fr", lambda: replies.language_set(None, private=private))
    assert hinted["data"]["content"] == said("fr", lambda: replies.PRIVACY)
    assert await world.chats.language("discord", channel) is None


async def test_only_people_who_manage_a_channel_choose_its_language(world: World) -> None:
    async with world.running():
        asked = await world.fake.use("language", {"language": "ar"}, locale="de")
        refused = await world.fake.acknowledged(asked)

    assert refused["data"]["content"] == said("de", lambda: replies.LANGUAGE_ADMINS)
    assert refused["data"]["flags"] & EPHEMERAL
    assert await world.chats.language("discord", CHANNEL) is None


async def test_refusals_are_in_the_persons_language(world: World) -> None:
    world.access.blocked = {"discord:610000000000000000"}
    async with world.running():
        answer = await world.fake.acknowledged(await world.fake.use("help", locale="de"))

    assert answer["data"]["content"] == said("de", lambda: replies.NOT_ALLOWED)


async def test_menus_are_translated_and_slash_commands_keep_their_names(world: World) -> None:
    async with world.running():
        commands = {one["name"]: one for one in world.fake.commands}

    def in_menus(sentence: str) -> dict[str, str]:
        return {tag: said(code, lambda: translated(sentence)) for tag, code in MENUS.items()}

    texts = {**COMMANDS, **OPERATORS_COMMANDS, "caption": DISCORD_CAPTION}
    assert commands[DISCORD_MENU]["name_localizations"] == in_menus(DISCORD_MENU)
    for name, command in commands.items():
        if name == DISCORD_MENU:
            continue
        assert not command.get("name_localizations")
        assert command["description_localizations"] == in_menus(texts[name])
        for option in command["options"]:
            assert not option.get("name_localizations")
            expected = in_menus(DISCORD_OPTIONS[option["name"]])
            assert option["description_localizations"] == expected
    (choice,) = commands["language"]["options"]
    names = {one["value"]: one["name"] for one in choice["choices"]}
    own = vars(Replies)["LANGUAGE_OWN"].english
    assert names == {**languages.NAMES, "own": own}
    assert choice["choices"][-1]["name_localizations"] == in_menus(own)
    assert set(MENUS.values()) == set(languages.NAMES) - {"en", "ar"}
