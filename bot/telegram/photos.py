"""The picture in a Telegram message: its file, its bytes, and the album that it belongs to."""

import asyncio
import mimetypes
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from telegram import Bot, Document, Message, PhotoSize, Sticker
from telegram.error import BadRequest, TelegramError, TimedOut

from bot import replies
from bot.answers import Problem
from bot.telegram.sending import persistently

ALBUM_SECONDS = 1.0  # an album has no end mark; it is whole when so long no photo of it came
PHOTOS_AT_ONCE = 32  # in memory
CLOUD_MB = 20  # the most that Telegram's own servers let a bot download


class NoPicture(Exception):
    """There is nothing to look at; the message is a sentence for the person who sent it."""

    def __init__(self, message: str, kind: Problem) -> None:
        """Keep the sentence, and the kind of trouble."""
        super().__init__(message)
        self.kind = kind


def carries_file(message: Message) -> bool:
    """Say whether a message holds what is, or could be taken for, a picture."""
    return bool(
        message.photo
        or message.animation
        or message.video
        or message.video_note
        or message.sticker
        or message.document
    )


def carries_photo(message: Message) -> bool:
    """Say whether a message holds a photo, or an image as a document."""
    if message.photo:
        return True
    return bool(message.document and not message.animation and _is(message.document, "image/"))


def file_of(message: Message, max_mb: float) -> str:
    """Return the id of the file in which a message's picture is.

    Args:
        message: any that `carries_file`.
        max_mb: the largest file to choose, in units of 2**20 bytes.

    Raises:
        NoPicture: it is not a picture, has no preview, or is too large.
    """
    sizes: Sequence[PhotoSize | Sticker | Document]
    # A GIF is sent as an animation and, for older programs, as a document beside it.
    moving = message.animation or message.video or message.video_note
    if message.photo:
        sizes = message.photo
    elif moving:
        sizes = (message.video and message.video.cover) or _preview(moving.thumbnail)
    elif sticker := message.sticker:
        still = not (sticker.is_animated or sticker.is_video)
        sizes = (sticker,) if still else _preview(sticker.thumbnail)
    elif message.document and _is(message.document, "image/"):
        sizes = (message.document,)
    elif message.document and _is(message.document, "video/"):
        sizes = _preview(message.document.thumbnail)
    else:
        raise NoPicture(replies.NEEDS_ATTACHMENT, "unsupported")
    fitting = [size for size in sizes if (size.file_size or 0) <= max_mb * 2**20]
    if not fitting:
        raise NoPicture(replies.too_large(max_mb), "too large")
    return max(fitting, key=_pixels).file_id


class Photos:
    """Photos in memory, of which there is a bounded number at once."""

    def __init__(self, max_mb: float) -> None:
        """Take files of up to so many units of 2**20 bytes."""
        self.max_mb = max_mb
        self._room = asyncio.Semaphore(PHOTOS_AT_ONCE)

    @asynccontextmanager
    async def of(self, message: Message) -> AsyncIterator[bytes]:
        """Fetch the picture of a message, and hold it until the context is left.

        Raises:
            NoPicture: see `file_of`; or it cannot be fetched.
        """
        file_id = file_of(message, self.max_mb)
        async with self._room:
            yield await self._download(message.get_bot(), file_id)

    async def _download(self, bot: Bot, file_id: str) -> bytes:
        try:
            file = await persistently(lambda: bot.get_file(file_id))
            if (file.file_size or 0) > self.max_mb * 2**20:
                raise NoPicture(replies.too_large(self.max_mb), "too large")
            if not file.file_path:
                raise NoPicture(replies.UNREACHABLE, "failed")
            return bytes(await persistently(file.download_as_bytearray))
        except BadRequest as error:
            if "too big" in error.message.lower():
                limit = min(self.max_mb, CLOUD_MB)
                raise NoPicture(replies.too_large(limit), "too large") from error
            raise NoPicture(replies.UNREACHABLE, "failed") from error
        except TelegramError as error:
            raise NoPicture(replies.UNREACHABLE, "failed") from error


@dataclass
class _Album:
    messages: list[Message]
    last: float  # when its newest message came
    done: asyncio.Event = field(default_factory=asyncio.Event)
    error: Exception | None = None  # why it was not answered


class Albums:
    """Albums whose messages are still coming in, or that are being answered."""

    def __init__(self) -> None:
        """Start with none."""
        self._open: dict[tuple[int, str], _Album] = {}

    @asynccontextmanager
    async def whole(self, message: Message) -> AsyncIterator[list[Message]]:
        """Wait for the other messages of an album.

        Yields:
            All of them in their order, for the one that came first. The others get nothing, after
            the first one's context was left, and fail as that one did: all are answered, or none.
            A message that is in no album comes back at once.
        """
        if not message.media_group_id:
            yield [message]
            return
        loop, key = asyncio.get_running_loop(), (message.chat.id, message.media_group_id)
        if album := self._open.get(key):
            album.messages.append(message)
            album.last = loop.time()
            await album.done.wait()
            if album.error:
                raise album.error
            yield []
            return
        album = self._open[key] = _Album([message], loop.time())
        try:
            try:
                while (pause := album.last + ALBUM_SECONDS - loop.time()) > 0:
                    await asyncio.sleep(pause)
            finally:
                del self._open[key]
            yield sorted(album.messages, key=lambda message: message.message_id)
        except BaseException as error:
            dropped = TimedOut("the album was not answered in time")
            album.error = error if isinstance(error, Exception) else dropped
            raise
        finally:
            album.done.set()


def _preview(thumbnail: PhotoSize | None) -> Sequence[PhotoSize]:
    if thumbnail is None:
        raise NoPicture(replies.NO_PREVIEW, "unsupported")
    return (thumbnail,)


def _is(document: Document, kind: str) -> bool:
    guess, _ = mimetypes.guess_type(document.file_name or "")
    return (document.mime_type or "").startswith(kind) or (guess or "").startswith(kind)


def _pixels(size: PhotoSize | Sticker | Document) -> int:
    return 0 if isinstance(size, Document) else size.width * size.height
