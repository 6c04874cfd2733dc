"""The picture or the video in a Telegram message: which file to fetch, and its bytes."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from telegram import (
    Animation,
    Bot,
    Document,
    ExternalReplyInfo,
    Message,
    PhotoSize,
    Sticker,
    Video,
    VideoNote,
)
from telegram.error import BadRequest, RetryAfter, TelegramError

from bot.answers import Problem
from bot.attachments import Kind, kind_of
from bot.replies import replies
from bot.telegram.errors import transient
from bot.telegram.sending import persistently

PHOTOS_AT_ONCE = 32  # in memory
VIDEOS_AT_ONCE = 4  # as large as they may be; two are decoded and encoded while two are fetched
# A message, or what one quotes from another chat: both have the same fields for files.
Carrier = Message | ExternalReplyInfo
Moving = Animation | Video | VideoNote | Sticker | Document
CLOUD_MB = 20  # the largest file that Telegram's own servers let a bot download


class NoPicture(Exception):
    """A message has no picture to caption; the error's message is for the person who sent it."""

    def __init__(self, message: str, kind: Problem) -> None:
        """Keep the sentence for the person, and the kind for the metrics."""
        super().__init__(message)
        self.kind = kind


def carries_file(message: Carrier) -> bool:
    """Return whether a message has a file that is, or may be taken for, a picture."""
    return bool(
        message.photo
        or message.animation
        or message.video
        or message.video_note
        or message.sticker
        or message.document
    )


def is_declared(message: Message) -> bool:
    """Return whether a message has what is captioned where nobody asks.

    That is a photo, a video or an animation, also as a document; no sticker, nor what may be
    anything.
    """
    if message.photo or message.animation or message.video or message.video_note:
        return True
    return bool(message.document and _kind_of(message.document) in ("picture", "video"))


def quoted_by(message: Message) -> Carrier | None:
    """Return what a message replies to, here or in another chat, if that has a file."""
    for quoted in (message.reply_to_message, message.external_reply):
        if quoted and carries_file(quoted):
            return quoted
    return None


def file_of(message: Carrier, max_mb: float) -> str:
    """Return the id of the file that holds a message's picture; of a video, that of its preview.

    Args:
        message: a message for which `carries_file` is true.
        max_mb: the largest file to choose, in units of 2**20 bytes.

    Raises:
        NoPicture: the file is not a picture, has no preview, or is too large.
    """
    sizes: Sequence[PhotoSize | Sticker | Document]
    moving = message.animation or message.video or message.video_note
    if message.photo:
        sizes = message.photo
    elif moving:
        sizes = (message.video and message.video.cover) or _preview(moving.thumbnail)
    elif sticker := message.sticker:
        still = not (sticker.is_animated or sticker.is_video)
        sizes = (sticker,) if still else _preview(sticker.thumbnail)
    elif message.document and _kind_of(message.document) in ("picture", "unknown"):
        sizes = (message.document,)
    elif message.document and _kind_of(message.document) == "video":
        sizes = _preview(message.document.thumbnail)
    else:
        raise NoPicture(replies.NEEDS_ATTACHMENT, "unsupported")
    fitting = [size for size in sizes if (size.file_size or 0) <= max_mb * 2**20]
    if not fitting:
        raise NoPicture(replies.too_large(max_mb), "too large")
    return max(fitting, key=_pixels).file_id


def video_of(message: Carrier) -> Moving | None:
    """Return the file of a message that is a video or an animation; None if there is none."""
    if message.photo:
        return None
    # A GIF comes as an animation and, for older clients, also as a document.
    if moving := message.animation or message.video or message.video_note:
        return moving
    if message.sticker:
        return message.sticker if message.sticker.is_video else None
    document = message.document
    return document if document and _kind_of(document) == "video" else None


class Photos:
    """Fetches photos and videos, and bounds how many are in memory at once.

    Photos do not wait behind videos, which are larger and take longer.
    """

    def __init__(self, max_mb: float, max_video_mb: float = CLOUD_MB) -> None:
        """Accept files of up to these sizes, in units of 2**20 bytes."""
        self.max_mb, self.max_video_mb = max_mb, max_video_mb
        self._room = asyncio.Semaphore(PHOTOS_AT_ONCE)
        self._room_for_videos = asyncio.Semaphore(VIDEOS_AT_ONCE)

    @asynccontextmanager
    async def of(self, message: Carrier) -> AsyncIterator[bytes]:
        """Fetch the picture of a message, and count it as in memory until the context ends.

        Raises:
            NoPicture: as in `file_of`; or the file can never be fetched.
            TelegramError: it cannot be fetched now.
        """
        file_id = file_of(message, self.max_mb)
        async with self._room:
            yield await self._download(message.get_bot(), file_id, self.max_mb)

    @asynccontextmanager
    async def video(self, video: Moving) -> AsyncIterator[bytes]:
        """Fetch a video of a message, and count it as in memory until the context ends.

        Raises:
            NoPicture: it is too large, or can never be fetched.
            TelegramError: it cannot be fetched now.
        """
        if (video.file_size or 0) > self.max_video_mb * 2**20:
            raise NoPicture(replies.too_large(self.max_video_mb), "too large")
        async with self._room_for_videos:
            yield await self._download(video.get_bot(), video.file_id, self.max_video_mb)

    async def _download(self, bot: Bot, file_id: str, max_mb: float) -> bytes:
        try:
            file = await persistently(lambda: bot.get_file(file_id))
            if (file.file_size or 0) > max_mb * 2**20:
                raise NoPicture(replies.too_large(max_mb), "too large")
            if not file.file_path:
                raise NoPicture(replies.UNREACHABLE, "failed")
            return bytes(await persistently(file.download_as_bytearray))
        except BadRequest as error:
            if "too big" in error.message.lower():
                limit = min(max_mb, CLOUD_MB)
                raise NoPicture(replies.too_large(limit), "too large") from error
            raise NoPicture(replies.UNREACHABLE, "failed") from error
        except TelegramError as error:
            if transient(error) or isinstance(error, RetryAfter):
                raise
            raise NoPicture(replies.UNREACHABLE, "failed") from error


def _preview(thumbnail: PhotoSize | None) -> Sequence[PhotoSize]:
    if thumbnail is None:
        raise NoPicture(replies.NO_PREVIEW, "unsupported")
    return (thumbnail,)


def _kind_of(document: Document) -> Kind:
    return kind_of(document.mime_type, document.file_name)


def _pixels(size: PhotoSize | Sticker | Document) -> int:
    return 0 if isinstance(size, Document) else size.width * size.height
