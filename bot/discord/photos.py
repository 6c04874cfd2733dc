"""The pictures and videos of a Discord message, and the reply to them."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

import aiohttp
import discord

from bot import metrics
from bot.answers import Answer, despite_failures
from bot.attachments import kind_of
from bot.discord.identity import PLATFORM
from bot.parts import Part, in_parts
from bot.replies import replies
from bot.services import Services
from captioner import BadImage

AnswerPhoto = Callable[[bytes], Awaitable[Answer]]

PHOTOS_AT_ONCE = 16  # in memory; as many as the captioner takes in one batch
VIDEOS_AT_ONCE = 4  # as large as they may be; two are decoded and encoded while two are fetched
CHUNK_BYTES = 2**16
MAX_CHARACTERS = 2000  # of a message; Discord counts code points
VECTORS = discord.StickerFormatType.lottie  # which nothing here draws
# Embeds of a file, which stands where an attachment could; others are about a page. One of the type
# "video" may be about a page too, whose player is not a file.
PICTURES, VIDEOS = ("image", "gifv"), ("gifv", "video")
# With this, Discord's proxy makes a picture of a video's first frame. Its own apps rely on that,
# but no document says so.
FRAME = "format=webp"
# Where Discord itself serves what is embedded, such as the GIFs of its picker.
PROXIES = re.compile(r"https://(media|images-ext-\d+)\.discordapp\.net/")


class _TooLarge(Exception):
    """The file has more bytes than the settings allow."""


class _Gone(Exception):
    """Discord does not serve the file any more."""


@dataclass(frozen=True)
class Picture:
    """A file on Discord's servers; its address is signed, and expires after a day."""

    url: str
    size: int = 0  # bytes; 0 if unknown
    # Whether it is captioned where nobody asks; not stickers, pictures of linked pages, and files
    # that may be anything.
    declared: bool = True
    video: bool = False
    preview: str | None = None  # the address of a picture from a video

    @property
    def still(self) -> "Picture | None":
        """Itself, or the preview of a video; None if that has none."""
        if not self.video:
            return self
        return Picture(self.preview) if self.preview else None

    @property
    def framed(self) -> bool:
        """Whether its preview is a frame that Discord's proxy is asked for, which may not exist."""
        return self.preview is not None and self.preview.endswith(FRAME)


@dataclass(frozen=True)
class Reply:
    """What the bot replies to the pictures of one message."""

    entries: Sequence[str]  # for several pictures one each, which say their numbers
    picture: Picture | None = None  # the only picture, if it was captioned: it gets buttons
    told: bool = False  # it was told as a story, which has fewer buttons

    @property
    def parts(self) -> Sequence[Part]:
        """The messages that it is sent as."""
        return in_parts(self.entries, MAX_CHARACTERS)


def picture_of(attachment: discord.Attachment) -> Picture | None:
    """Return an attachment as a picture or a video; None if it says that it is something else."""
    kind = kind_of(attachment.content_type, attachment.filename)
    if kind == "other":
        return None
    if kind != "video":
        return Picture(attachment.url, attachment.size, declared=kind == "picture")
    frame = _frame(attachment.proxy_url)
    return Picture(attachment.url, attachment.size, video=True, preview=frame)


def pictures_of(message: discord.Message) -> list[Picture]:
    """Return what a message, and what it forwards, has to look at, in order."""
    found: list[Picture] = []
    parts: list[discord.Message | discord.MessageSnapshot] = [message, *message.message_snapshots]
    for part in parts:
        found += filter(None, map(picture_of, part.attachments))
        drawn = (one for one in part.stickers if one.format is not VECTORS)
        found += (Picture(one.url, declared=False) for one in drawn)
        found += filter(None, map(_embedded, part.embeds))
    return found


def _embedded(embed: discord.Embed) -> Picture | None:
    # The original address may be on anybody's server; the proxy is Discord's own.
    shown = embed.image.proxy_url or embed.thumbnail.proxy_url
    video = embed.video.proxy_url if embed.type in VIDEOS else None
    if video and PROXIES.match(video):
        return Picture(video, video=True, preview=shown)
    return Picture(shown, declared=embed.type in PICTURES) if shown else None


def _frame(address: str) -> str | None:
    """Return where the first frame of an attached video is; None if its proxy is not Discord's."""
    if not PROXIES.match(address):
        return None
    return f"{address}{'&' if '?' in address else '?'}{FRAME}"


@dataclass(frozen=True)
class Photos:
    """Fetches pictures and answers them; a bounded number is in memory at once.

    Photos do not wait behind videos, which are larger and take longer.
    """

    services: Services
    session: aiohttp.ClientSession
    _slots: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(PHOTOS_AT_ONCE))
    _videos: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(VIDEOS_AT_ONCE))

    async def caption(self, pictures: Sequence[Picture], answered: int = 0) -> Reply:
        """Caption the pictures of one message.

        Args:
            pictures: at least one; those beyond the setting `max_photos` are left out.
            answered: how many of them, but not all, were answered before; they are not captioned
                again.

        Raises:
            aiohttp.ClientError: no picture can be fetched now.
            OSError: the same.
        """
        chosen = pictures[: self.services.settings.max_photos]
        answering = map(self._caption, chosen[answered:])
        outcomes = await asyncio.gather(*answering, return_exceptions=True)
        answers = despite_failures(outcomes, _unreachable)
        if len(pictures) == 1:
            captioned = pictures[0] if answers[0].caption else None
            return Reply([answers[0].text], captioned, told=answers[0].video is not None)
        texts = [answer.text for answer in answers]
        return Reply(replies.album(texts, len(pictures) - len(chosen), answered))

    async def _caption(self, picture: Picture) -> Answer:
        answer = await self.answer(picture, self.services.answers.moving_or_still)
        if not picture.video:
            return answer
        # What is too large or cannot be read may have a preview.
        if answer.problem == "too large" or isinstance(answer.error, BadImage):
            return await self._preview(picture) or answer
        return answer

    async def _preview(self, video: Picture) -> Answer | None:
        """Caption the preview of a video; return None if it has none that can be read."""
        preview = video.still
        if preview is None:
            return None
        try:
            answer = await self.answer(preview, self.services.answers.preview)
        except (aiohttp.ClientError, OSError):
            if not video.framed:
                raise
            return None
        return answer if answer.caption or answer.problem in ("busy", "late") else None

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
        async with self._videos if picture.video else self._slots:
            try:
                photo = await self._fetch(picture)
            except _TooLarge:
                metrics.refused(PLATFORM, "too large")
                text = replies.too_large(self._max_mb(picture))
                return Answer(text, problem="too large")
            except _Gone:
                return _unreachable(gone)
            return await answer(photo)

    async def _fetch(self, picture: Picture) -> bytes:
        max_bytes = int(self._max_mb(picture) * 2**20)
        if picture.size > max_bytes:
            raise _TooLarge
        photo = bytearray()
        # A redirect could lead away from Discord's servers.
        async with self.session.get(picture.url, allow_redirects=False) as response:
            if response.status == 429 or response.status >= 500:
                raise aiohttp.ClientError(f"HTTP {response.status}")
            if response.status != 200:
                raise _Gone
            if (response.content_length or 0) > max_bytes:
                raise _TooLarge
            async for chunk in response.content.iter_chunked(CHUNK_BYTES):
                photo += chunk
                if len(photo) > max_bytes:
                    raise _TooLarge
        return bytes(photo)

    def _max_mb(self, picture: Picture) -> float:
        settings = self.services.settings
        return settings.max_video_mb if picture.video else settings.max_photo_mb


def _unreachable(text: str | None = None) -> Answer:
    metrics.refused(PLATFORM, "unreachable")
    return Answer(text or replies.UNREACHABLE, problem="failed")
