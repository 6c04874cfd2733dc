"""The ways to ask the bot on Discord for a caption."""

from collections.abc import Awaitable, Callable

from bot.replies import DISCORD_MENU
from tests.bot.discord.fake_payloads import EPHEMERAL, PRIVATE, Json
from tests.bot.discord.world import PHOTOS, World

Ask = Callable[[World], Awaitable[Json]]


async def in_private(world: World) -> Json:
    return await world.photo()


async def mentioned(world: World) -> Json:
    return await world.fake.mention(attachments=[world.fake.attachment(PHOTOS[0])])


async def slash(world: World) -> Json:
    return await world.fake.use("caption", {"photo": world.fake.attachment(PHOTOS[0])})


async def menu(world: World) -> Json:
    message = world.fake.message(attachments=[world.fake.attachment(PHOTOS[0])])
    return await world.fake.choose(DISCORD_MENU, message)


async def another(world: World) -> Json:
    return await world.fake.press(_shown(world), "another:3")


async def look(world: World) -> Json:
    return await world.fake.press(_shown(world), "look", flags=EPHEMERAL)


def _shown(world: World) -> Json:
    """Store a caption of the bot's, as a reply to a photo."""
    fake = world.fake
    photo = fake.message(channel_id=PRIVATE, attachments=[fake.attachment(PHOTOS[0])])
    reference = {"message_id": photo["id"], "channel_id": PRIVATE}
    row = [{"type": 2, "style": 2, "label": "", "custom_id": one} for one in ("another:3", "look")]
    fields: Json = {"author": fake.me, "components": [{"type": 1, "components": row}]}
    return fake.message("A dog runs.", message_reference=reference, **fields)
