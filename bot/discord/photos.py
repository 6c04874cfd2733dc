"""The pictures of a Discord message, and what is said about them."""

import asyncio
import mimetypes
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

import aiohttp
import discord

from bot import metrics, replies
from bot.answers import Answer, Answers
from bot.settings import Settings

Ask = Callable[[bytes], Awaitable[Answer]]

AT_ONCE = 16  # photos in memory; as many as the captioner takes in one batch
CHUNK = 2**16  # bytes
LONGEST = 2000  # characters of a message that Discord takes


class _TooLarge(Exception):
    """The file has more bytes than the settings allow."""


class _Gone(Exception):
    """Discord does not hand the file out, nor will it later."""


@dataclass(frozen=True)
class Picture:
    """A file on Discord's servers; its address is signed, and expires after a day."""

    url: str
    size: int = 0  # bytes; 0 where Discord does not say


@dataclass(frozen=True)
class Reply:
    """What the bot says to the pictures of one message."""

    text: str
    picture: Picture | None = None  # the only one, if it was captioned: buttons may ask about it


def is_picture(attachment: discord.Attachment) -> bool:
    """Say whether an attachment claims to be a picture."""
    kind = attachment.content_type or mimetypes.guess_type(attachment.filename, strict=False)[0]
    return (kind or "").startswith("image/")


def attached(attachment: discord.Attachment) -> Picture:
    """Return the picture that an attachment is."""
    return Picture(attachment.url, attachment.size)


def pictures(message: discord.Message) -> list[Picture]:
    """Find the pictures of a message, of what it forwards, and of its embeds, in their order."""
    found: list[Picture] = []
    parts: list[discord.Message | discord.MessageSnapshot] = [message, *message.message_snapshots]
    for part in parts:
        found += [attached(file) for file in part.attachments if is_picture(file)]
        for embed in part.embeds:
            # The original address is anybody's server; the proxy is Discord's own.
            if address := embed.image.proxy_url or embed.thumbnail.proxy_url:
                found.append(Picture(address))
    return found


@dataclass(frozen=True)
class Photos:
    """Fetches pictures, and says what is in them."""

    settings: Settings
    answers: Answers
    session: aiohttp.ClientSession
    room: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))

    async def describe(self, found: Sequence[Picture]) -> Reply:
        """Say what is in the pictures of one message, of which there is at least one.

        Raises:
            aiohttp.ClientError: no picture can be fetched now.
            OSError: the same.
        """
        chosen = found[: self.settings.max_photos]
        asked = (self.ask(one, self.answers.first) for one in chosen)
        outcomes = await asyncio.gather(*asked, return_exceptions=True)
        failures = [one for one in outcomes if isinstance(one, BaseException)]
        if len(failures) == len(outcomes):
            raise failures[0]
        # One picture of several is not worth that all are looked at once more.
        answers = [self._lost() if isinstance(one, BaseException) else one for one in outcomes]
        if len(found) == 1:
            return Reply(answers[0].text, found[0] if answers[0].caption else None)
        text = replies.album([answer.text for answer in answers], len(found) - len(chosen))
        return Reply(text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…")

    async def ask(self, picture: Picture, ask: Ask, lost: str = replies.UNREACHABLE) -> Answer:
        """Fetch a picture and ask about it.

        Args:
            picture: what to fetch.
            ask: is given its bytes.
            lost: what is said if it can never be fetched again.

        Raises:
            aiohttp.ClientError: it cannot be fetched now.
            OSError: the same.
        """
        async with self.room:
            try:
                photo = await self._fetch(picture)
            except _TooLarge:
                metrics.refused(self.answers.platform, "too large")
                return Answer(replies.too_large(self.settings.max_photo_mb), problem="too large")
            except _Gone:
                return self._lost(lost)
            return await ask(photo)

    def _lost(self, text: str = replies.UNREACHABLE) -> Answer:
        metrics.refused(self.answers.platform, "unreachable")
        return Answer(text, problem="failed")

    async def _fetch(self, picture: Picture) -> bytes:
        if picture.size > self.settings.max_bytes:
            raise _TooLarge
        photo = bytearray()
        # A redirect could lead away from Discord's servers.
        async with self.session.get(picture.url, allow_redirects=False) as response:
            if response.status == 429 or response.status >= 500:
                raise aiohttp.ClientError(f"HTTP {response.status}")
            if response.status != 200:
                raise _Gone
            async for chunk in response.content.iter_chunked(CHUNK):
                photo += chunk
                if len(photo) > self.settings.max_bytes:
                    raise _TooLarge
        return bytes(photo)
