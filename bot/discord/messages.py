"""Messages with pictures: which ones are answered, and how none is lost."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from functools import partial
from typing import Any

import discord

from bot import languages, metrics
from bot.access import Refusal
from bot.discord.backfill import Backfill
from bot.discord.buttons import buttons_of
from bot.discord.errors import inbox_errors
from bot.discord.identity import PLATFORM, Place, place_of
from bot.discord.incoming import Incoming, embeds_only
from bot.discord.language import language_of_place
from bot.discord.photos import Photos, Picture, Reply
from bot.discord.sending import answers_to, apologize, reply, say, say_failed, typing
from bot.discord.shards import Shards
from bot.parts import last_number
from bot.replies import replies
from bot.services import Services
from bot.store.inbox import Hopeless
from bot.store.inbox_rows import Key

# Discord embeds what is behind a link at once or this soon after a message, or not at all. Whoever
# sends the bot a link waits for that long if nothing is embedded.
EMBED_SECONDS = 4.0
LATEST_EMBED = timedelta(minutes=1)  # later a message changes for other reasons, such as a pin
REFUSALS = 100  # messages that are remembered as refused


class Messages:
    """Answers the messages that ask for it; people's edits of them are ignored."""

    def __init__(
        self, client: discord.Client, photos: Photos, services: Services, shards: Shards
    ) -> None:
        """Answer for a client, which has some of the bot's shards."""
        self.client, self.photos, self.services = client, photos, services
        hours = services.settings.missed_hours
        self.backfill = Backfill(
            client, shards, services.inbox, hours, self.captions_all, self._record
        )
        self._in_order = asyncio.Lock()
        self._refused: deque[Key] = deque(maxlen=REFUSALS)
        self._awaited: dict[Key, asyncio.Event] = {}  # messages whose links may still be embedded

    async def receive(self, incoming: Incoming, slots: asyncio.Semaphore) -> None:
        """Answer a message if it asks for it; while no slot is free, leave it to the inbox."""
        languages.speak(await self._language(incoming.place))
        try:
            new = await self._accept(incoming)
        except Exception:
            if incoming.by_person and incoming.addresses(self.client.user):
                await say_failed(incoming.message)
            raise
        if new and slots.locked():
            self.services.inbox.release(incoming.key)
        elif new:
            async with slots:
                await self._handle(incoming.key, partial(self._answer, incoming))

    async def receive_embeds(self, incoming: Incoming, slots: asyncio.Semaphore) -> None:
        """Answer a message that has pictures since Discord has embedded what is behind its link.

        One that was answered or refused before gets no other answer, and one that a person has
        edited gets none.
        """
        if awaited := self._awaited.get(incoming.key):
            awaited.set()
            return
        age = discord.utils.utcnow() - incoming.message.created_at
        embedded = embeds_only(incoming.message) and age < LATEST_EMBED
        if embedded and incoming.key not in self._refused and self._pictures(incoming):
            await self.receive(incoming, slots)

    async def retry(self, key: Key, reference: dict[str, Any], *, again: bool) -> None:
        """Answer a message that was recorded before.

        Args:
            key: of the message.
            reference: what the inbox kept; earlier versions kept no language.
            again: an earlier attempt may have answered it.
        """
        # Threads, which share the language of their channel, are known once there is a connection.
        guild, known = reference["guild"], self.client.get_channel(int(key.chat))
        place = place_of(known) if known else Place(int(key.chat), guild)
        languages.speak(await self._language(place, reference.get("language")))

        async def answer() -> None:
            with inbox_errors():
                channel = self.client.get_partial_messageable(int(key.chat), guild_id=guild)
                incoming = Incoming.of(await channel.fetch_message(int(key.message)))
                answered = await self._answered(incoming) if again else 0
            if answered is not None:
                await self._answer(incoming, answered)

        await self._handle(key, answer)

    async def captions_all(self, place: Place) -> bool:
        """Return whether everything in a place is captioned."""
        if place.guild is None:
            return True
        return await self.services.chat_settings.auto(PLATFORM, place.channel)

    async def _language(self, place: Place, kept: str | None = None) -> str:
        return await language_of_place(self.client, place, self.services.chat_settings, kept)

    async def _handle(self, key: Key, answer: Callable[[], Awaitable[None]]) -> None:
        await self.services.inbox.handle(key, answer, partial(self._apologize, key))

    async def _apologize(self, key: Key) -> None:
        channel = self.client.get_partial_messageable(int(key.chat))
        message = await channel.fetch_message(int(key.message))
        if await self._answered(Incoming.of(message)) is not None:
            await apologize(message)

    async def _accept(self, incoming: Incoming) -> bool:
        inbox, refusal, new = self.services.inbox, None, False
        # One at a time: a channel's last read message must not get ahead of what is recorded.
        async with self._in_order:
            if await self._wanted(incoming):
                photos = min(len(self._pictures(incoming)), self.services.settings.max_photos)
                refusal = await self.services.access.refuse(incoming.visitor, photos)
                new = refusal is None and await inbox.accept(incoming.key, incoming.reference)
            try:
                if await self._watched(incoming, new):
                    message = incoming.message
                    guild = incoming.place.guild
                    await self.backfill.mark_read(message.channel.id, message.id, guild)
            except BaseException:
                if new:
                    inbox.release(incoming.key)
                raise
        if refusal is not None:
            self._refused.append(incoming.key)
            metrics.refused(PLATFORM, refusal.kind)
            if refusal.text:
                await say(incoming.message, refusal.text)
        return new

    async def _record(self, incoming: Incoming) -> bool:
        # What was sent while the bot was away counts towards no rate limit.
        allowed = self.services.access.admits(incoming.visitor)
        if not (incoming.by_person and self._pictures(incoming) and allowed):
            return False
        with languages.speaking(await self._language(incoming.place)):
            reference = incoming.reference
        new = await self.services.inbox.accept(incoming.key, reference)
        if new:
            self.services.inbox.release(incoming.key)  # the inbox hands it out in its turn
        return new

    async def _answered(self, incoming: Incoming) -> int | None:
        """Return how many pictures were answered; None if the message needs no further answer."""
        texts = await answers_to(incoming.message, self.client.user)
        if not texts:
            return 0
        answered = max(last_number(text) or 0 for text in texts)
        most = min(len(self._pictures(incoming)), self.services.settings.max_photos)
        return answered if 0 < answered < most else None

    async def _answer(self, incoming: Incoming, answered: int = 0) -> None:
        with inbox_errors():
            pictures, refusal = self._pictures(incoming), None
            if not pictures:
                pictures, refusal = await self._embedded_later(incoming)
            if refusal:
                metrics.refused(PLATFORM, refusal.kind)
                if refusal.text:
                    await say(incoming.message, refusal.text)
                return
            if pictures:
                async with typing(incoming.message.channel):
                    answer = await self.photos.caption(pictures, answered)
            elif self._deserves_hint(incoming):
                answer = Reply([replies.HINT])
            else:
                raise Hopeless("the message has no picture any more")
            buttons = buttons_of(answer)
            await reply(incoming.message, answer.parts, answered=answered, buttons=buttons)

    async def _embedded_later(self, incoming: Incoming) -> tuple[Sequence[Picture], Refusal | None]:
        """Return what a link embeds, as a GIF of the picker does, or why it is not looked at."""
        if not (self._deserves_hint(incoming) and "https://" in incoming.message.content):
            return (), None
        embedded = self._awaited[incoming.key] = asyncio.Event()
        try:
            with suppress(TimeoutError):
                await asyncio.wait_for(embedded.wait(), EMBED_SECONDS)
        finally:
            del self._awaited[incoming.key]
        pictures = self._pictures(Incoming.of(await incoming.message.fetch()))
        photos = min(len(pictures), self.services.settings.max_photos)
        if not photos:
            return (), None
        return pictures, await self.services.access.refuse(incoming.visitor, photos)

    async def _watched(self, incoming: Incoming, new: bool) -> bool:
        return (
            incoming.in_private
            or self.backfill.watches(incoming.message.channel.id)
            or (new and await self.captions_all(incoming.place))
        )

    async def _wanted(self, incoming: Incoming) -> bool:
        if not incoming.by_person:
            return False
        if self._pictures(incoming):
            addressed = incoming.addresses(self.client.user)
            return addressed or await self.captions_all(incoming.place)
        return self._deserves_hint(incoming)

    def _pictures(self, incoming: Incoming) -> Sequence[Picture]:
        return incoming.pictures_for(self.client.user)

    def _deserves_hint(self, incoming: Incoming) -> bool:
        # Not for every reply to a caption: a reply mentions the author, but not in its text.
        return incoming.in_private or incoming.mentions(self.client.user)
