"""What the bot does on Discord of its own accord: it answers messages with pictures."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress

import aiohttp
import discord

from bot import metrics, replies
from bot.chats import Chats
from bot.discord_buttons import CaptionButton, buttons
from bot.discord_photos import Photos, Reply, pictures

log = logging.getLogger(__name__)

# What the network and Discord do to a message; a fault of ours is anything else.
TROUBLE = (discord.DiscordException, aiohttp.ClientError, OSError)
REFUSED = (discord.Forbidden, discord.NotFound)
BY_PERSONS = (discord.MessageType.default, discord.MessageType.reply)


class PhotoClient(discord.Client):
    """A connection that captions what it is asked to."""

    def __init__(
        self, photos: Photos, chats: Chats, about: str, *, sees_content: bool, shards: int = 1
    ) -> None:
        """Set up a connection; `sees_content` is whether Discord grants the intent for it."""
        intents = discord.Intents.none()
        intents.guilds = intents.guild_messages = intents.dm_messages = True
        intents.message_content = sees_content
        super().__init__(
            intents=intents,
            shard_count=shards if shards > 1 else None,
            allowed_mentions=discord.AllowedMentions.none(),
            max_messages=None,
        )
        self.photos, self.chats, self.about = photos, chats, about
        self.leaving = False
        self.connected: Callable[[], None] = lambda: None
        self._work: set[asyncio.Task[object]] = set()
        self.add_dynamic_items(CaptionButton)

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Whatever runs in here is finished before leaving; trouble is one line in the log."""
        task = asyncio.current_task()
        assert task is not None
        self._work.add(task)
        try:
            yield
        except TROUBLE as error:
            metrics.ERRORS.labels(self.photos.answers.platform, "undelivered").inc()
            level = logging.INFO if isinstance(error, REFUSED) else logging.WARNING
            log.log(level, "Discord: an answer did not get through: %s", reason(error))
        except Exception:
            log.exception("Discord: an answer failed")
        finally:
            self._work.discard(task)

    async def finish(self) -> None:
        """Accept nothing more, and finish what is in hand."""
        self.leaving = True
        if self._work:
            await asyncio.wait(self._work)

    async def leave(self) -> None:
        """Drop what is still in hand, and disconnect."""
        self.leaving = True
        for task in self._work:
            task.cancel()
        await asyncio.gather(*self._work, return_exceptions=True)
        await self.close()

    async def on_connect(self) -> None:
        """Tell that the gateway accepted the bot."""
        self.connected()
        metrics.PLATFORM_UP.labels(self.photos.answers.platform).set(1)

    async def on_resumed(self) -> None:
        """Tell that a broken connection is whole again."""
        metrics.PLATFORM_UP.labels(self.photos.answers.platform).set(1)

    async def on_disconnect(self) -> None:
        """Tell that the connection is broken; the library makes a new one."""
        metrics.PLATFORM_UP.labels(self.photos.answers.platform).set(0)

    async def on_message(self, message: discord.Message) -> None:
        """Answer a person's message if it asks for that; edits are never looked at."""
        if self.leaving or message.author.bot or message.webhook_id is not None:
            return
        if message.type not in BY_PERSONS:
            return
        with self.at_work():
            found, asked = pictures(message), self._asked(message)
            if found and (asked or await self._automatic(message)):
                async with _typing(message.channel):
                    reply = await self.photos.describe(found)
                await _answer(message, reply)
            elif not found and asked and self._addressed(message):
                await _answer(message, Reply(replies.HINT))

    def _asked(self, message: discord.Message) -> bool:
        quoted = message.reference.resolved if message.reference is not None else None
        return (
            isinstance(message.channel, discord.DMChannel)
            or self.user in message.mentions
            or (isinstance(quoted, discord.Message) and quoted.author == self.user)
        )

    def _addressed(self, message: discord.Message) -> bool:
        # Whoever replies to the bot mentions it too, and need not be told about photos each time.
        me = self.user.id if self.user is not None else 0
        return isinstance(message.channel, discord.DMChannel) or me in message.raw_mentions

    async def _automatic(self, message: discord.Message) -> bool:
        return await self.chats.auto(self.photos.answers.platform, message.channel.id)


class ShardedPhotoClient(PhotoClient, discord.AutoShardedClient):
    """The same over several connections, for a bot that is in thousands of servers."""


def reason(error: BaseException) -> str:
    """Say in one line what went wrong, with nothing of a message or an address in it."""
    if isinstance(error, discord.HTTPException):
        return f"HTTP {error.status}, {error.text.splitlines()[0] if error.text else 'no reason'}"
    return type(error).__name__


async def _answer(message: discord.Message, reply: Reply) -> None:
    await message.channel.send(
        reply.text,
        # Sent as a plain message if the photo was deleted in the meantime.
        reference=message.to_reference(fail_if_not_exists=False),
        mention_author=False,
        view=buttons() if reply.picture else discord.utils.MISSING,
    )


@asynccontextmanager
async def _typing(channel: discord.abc.Messageable) -> AsyncIterator[None]:
    """Show that the bot is writing; not at any price, and without waiting for it."""

    async def type_on() -> None:
        with suppress(*TROUBLE):
            async with channel.typing():
                await asyncio.Event().wait()

    task = asyncio.create_task(type_on())
    try:
        yield
    finally:
        task.cancel()
