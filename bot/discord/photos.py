"""The pictures of a Discord message, and the reply to them."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

import aiohttp
import discord

from bot import metrics
from bot.answers import Answer, despite_failures
from bot.attachments import kind_of
from bot.discord.identity import PLATFORM
from bot.replies import replies
from bot.services import Services

AnswerPhoto = Callable[[bytes], Awaitable[Answer]]

PHOTOS_AT_ONCE = 16  # in memory; as many as the captioner takes in one batch
CHUNK_BYTES = 2**16
MAX_CHARACTERS = 2000  # Discord's limit for a message


class _TooLarge(Exception):
    """The file has more bytes than the settings allow."""


class _Gone(Exception):
    """Discord does not serve the file any more."""


@dataclass(frozen=True)
class Picture:
    """A file on Discord's servers; its address is signed, and expires after a day."""

    url: str
    size: int = 0  # bytes; 0 if unknown
    declared: bool = True  # False if only the content can tell whether it is a picture


@dataclass(frozen=True)
class Reply:
    """What the bot replies to the pictures of one message."""

    text: str
    picture: Picture | None = None  # the only picture, if it was captioned: it gets buttons


def picture_of(attachment: discord.Attachment) -> Picture | None:
    """Return an attachment as a picture; None if it says that it is something else."""
    kind = kind_of(attachment.content_type, attachment.filename)
    if kind not in ("picture", "unknown"):
        return None
    return Picture(attachment.url, attachment.size, declared=kind == "picture")


def pictures_of(message: discord.Message) -> list[Picture]:
    """Return the pictures of a message, of what it forwards, and of its embeds, in order."""
    found: list[Picture] = []
    parts: list[discord.Message | discord.MessageSnapshot] = [message, *message.message_snapshots]
    for part in parts:
        found += filter(None, map(picture_of, part.attachments))
        for embed in part.embeds:
            # The original address may be on anybody's server; the proxy is Discord's own.
            if address := embed.image.proxy_url or embed.thumbnail.proxy_url:
                found.append(Picture(address))
    return found


@dataclass(frozen=True)
class Photos:
    """Fetches pictures and answers them; a bounded number is in memory at once."""

    services: Services
    session: aiohttp.ClientSession
    _slots: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(PHOTOS_AT_ONCE))

    async def caption(self, pictures: Sequence[Picture]) -> Reply:
        """Caption the pictures of one message.

        Args:
            pictures: at least one; those beyond the setting `max_photos` are left out.

        Raises:
            aiohttp.ClientError: no picture can be fetched now.
            OSError: the same.
        """
        chosen = pictures[: self.services.settings.max_photos]
        answering = (self.answer(one, self.services.answers.first) for one in chosen)
        outcomes = await asyncio.gather(*answering, return_exceptions=True)
        answers = despite_failures(outcomes, _unreachable)
        if len(pictures) == 1:
            return Reply(answers[0].text, pictures[0] if answers[0].caption else None)
        text = replies.album([answer.text for answer in answers], len(pictures) - len(chosen))
        return Reply(text if len(text) <= MAX_CHARACTERS else f"{text[: MAX_CHARACTERS - 1]}…")

    async def answer(
        self, picture: Picture, answer: AnswerPhoto, gone: str | None = None
    ) -> Answer:
        """Fetch a picture and answer it.

        Args:
            picture: what to fetch.
            answer: takes the picture's bytes.
            gone: the text of the answer if the picture can never be fetched again; None for the
                one that asks to send it again.

        Raises:
            aiohttp.ClientError: it cannot be fetched now.
            OSError: the same.
        """
        async with self._slots:
            try:
                photo = await self._fetch(picture)
            except _TooLarge:
                metrics.refused(PLATFORM, "too large")
                text = replies.too_large(self.services.settings.max_photo_mb)
                return Answer(text, problem="too large")
            except _Gone:
                return _unreachable(gone)
            return await answer(photo)

    async def _fetch(self, picture: Picture) -> bytes:
        max_bytes = self.services.settings.max_bytes
        if picture.size > max_bytes:
            raise _TooLarge
        photo = bytearray()
        # A redirect could lead away from Discord's servers.
        async with self.session.get(picture.url, allow_redirects=False) as response:
            if response.status == 429 or response.status >= 500:
                raise aiohttp.ClientError(f"HTTP {response.status}")
            if response.status != 200:
                raise _Gone
            async for chunk in response.content.iter_chunked(CHUNK_BYTES):
                photo += chunk
                if len(photo) > max_bytes:
                    raise _TooLarge
        return bytes(photo)


def _unreachable(text: str | None = None) -> Answer:
    metrics.refused(PLATFORM, "unreachable")
    return Answer(text or replies.UNREACHABLE, problem="failed")
