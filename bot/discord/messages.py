"""Messages with pictures: which are answered, and how none is lost."""

import asyncio
from functools import partial

import discord
from discord.utils import MISSING

from bot import metrics, replies
from bot.discord.backfill import Missed
from bot.discord.buttons import buttons_under
from bot.discord.errors import judged
from bot.discord.identity import PLATFORM, Place, place_of
from bot.discord.photos import Photos, Reply, pictures
from bot.discord.sending import apologize, reply, typing
from bot.services import Services
from bot.store.inbox import Hopeless
from bot.store.inbox_rows import Key

BY_PERSONS = (discord.MessageType.default, discord.MessageType.reply)


class Messages:
    """Answers the messages that ask for it; edits are never looked at."""

    def __init__(self, client: discord.Client, photos: Photos, services: Services) -> None:
        """Answer for a client."""
        self.client, self.photos, self.chat_settings = client, photos, services.chat_settings
        self.inbox, self.access = services.inbox, services.access
        hours = photos.settings.missed_hours
        self.missed = Missed(client, self.inbox, hours, self.captions_all, self._record)
        self._in_order = asyncio.Lock()

    async def hear(self, message: discord.Message, room: asyncio.Semaphore) -> None:
        """Answer a message if it asks for that; where there is no room, the inbox does it later."""
        place, key = place_of(message.channel), _key(message)
        try:
            new = await self._accept(message, place, key)
        except Exception:
            if _by_person(message) and self._asked(message):
                await reply(message, replies.FAILED)
            raise
        if new and room.locked():
            self.inbox.release(key)
        elif new:
            async with room:
                answer = partial(self._answer, message)
                await self.inbox.handle(key, answer, partial(self._apologize, key))

    async def again(self, key: Key, guild: int | None) -> None:
        """Answer a message that was recorded before."""

        async def answer() -> None:
            with judged():
                channel = self.client.get_partial_messageable(int(key.chat), guild_id=guild)
                message = await channel.fetch_message(int(key.message))
            await self._answer(message)

        await self.inbox.handle(key, answer, partial(self._apologize, key))

    async def captions_all(self, place: Place) -> bool:
        """Say whether every photo of a place is captioned."""
        return place.guild is None or await self.chat_settings.auto(PLATFORM, place.channel)

    async def _accept(self, message: discord.Message, place: Place, key: Key) -> bool:
        refusal, new = None, False
        # One after the other: a chat's mark may pass nothing that is not on the disk yet.
        async with self._in_order:
            if await self._wanted(message, place):
                photos = min(len(pictures(message)), self.photos.settings.max_photos)
                refusal = self.access.refuse(place.visitor(message.author.id), photos)
                new = refusal is None and await self.inbox.accept(key, _reference(place))
            try:
                if await self._watched(message, place, new):
                    await self.missed.saw(message.channel.id, message.id)
            except BaseException:
                if new:
                    self.inbox.release(key)
                raise
        if refusal is not None:
            metrics.refused(PLATFORM, refusal.kind)
            if refusal.text:
                await reply(message, refusal.text)
        return new

    async def _record(self, message: discord.Message, place: Place) -> bool:
        visitor = place.visitor(message.author.id)
        # Nobody is held to a rate for what came while the bot was away.
        if not (_by_person(message) and pictures(message) and self.access.admits(visitor)):
            return False
        key = _key(message)
        new = await self.inbox.accept(key, _reference(place))
        if new:
            self.inbox.release(key)  # it is taken up with whatever else is open
        return new

    async def _answer(self, message: discord.Message) -> None:
        with judged():
            if found := pictures(message):
                async with typing(message.channel):
                    described = await self.photos.describe(found)
            elif place_of(message.channel).guild is None or self._addressed(message):
                described = Reply(replies.HINT)
            else:
                raise Hopeless("the picture was taken away")
            buttons = buttons_under() if described.picture else MISSING
            await reply(message, described.text, buttons=buttons)

    async def _apologize(self, key: Key) -> None:
        channel = self.client.get_partial_messageable(int(key.chat))
        await apologize(channel, int(key.message))

    async def _watched(self, message: discord.Message, place: Place, new: bool) -> bool:
        return (
            place.guild is None
            or self.missed.watches(message.channel.id)
            or (new and await self.captions_all(place))
        )

    async def _wanted(self, message: discord.Message, place: Place) -> bool:
        if not _by_person(message):
            return False
        if pictures(message):
            return self._asked(message) or await self.captions_all(place)
        return place.guild is None or self._addressed(message)

    def _asked(self, message: discord.Message) -> bool:
        quoted = message.reference.resolved if message.reference is not None else None
        return (
            place_of(message.channel).guild is None
            or self.client.user in message.mentions
            or (isinstance(quoted, discord.Message) and quoted.author == self.client.user)
        )

    def _addressed(self, message: discord.Message) -> bool:
        # Whoever replies to the bot mentions it too, and need not be told about photos each time.
        me = self.client.user
        return me is not None and me.id in message.raw_mentions


def _by_person(message: discord.Message) -> bool:
    return not message.author.bot and message.webhook_id is None and message.type in BY_PERSONS


def _key(message: discord.Message) -> Key:
    return Key(PLATFORM, str(message.channel.id), str(message.id))


def _reference(place: Place) -> dict[str, int | None]:
    # Addresses of pictures expire, so the message is fetched again; its number is in the key.
    return {"guild": place.guild}
