"""The body of a request: how many bytes it may have, and reading them."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import web

from bot.settings import Settings
from bot.web.api.memory import Reservation
from captioner.video.kinds import is_video

CHUNK = 2**16
# Photos of one request. A phone's photo has 3 to 5 MB, so that 20 of them are within 80 MB, which
# the default limit of 20 MB for one photo allows.
MOST_PHOTOS = 20
PHOTOS_TOGETHER = 4  # of the largest ones: the bytes of one request's body,
VIDEOS_TOGETHER = 2  # or as many videos, if these are more; the largest one fits in base64 too
# Times the seconds for one photo: those for a body of videos that are much larger than photos.
LONGEST = 8
# Bytes with which a file begins. With the fewest, `kinds` can tell whether it is a video; more than
# the most, it does not need.
FEWEST, ENOUGH = 12, 2**12


@dataclass(frozen=True)
class UploadLimits:
    """What one request may upload; animations count as photos, as they do in chats."""

    photo: int  # bytes
    video: int  # bytes
    photos: int  # and videos
    seconds: float  # for as many bytes as one photo may have, however few are sent

    @classmethod
    def of(cls, settings: Settings, photos: int = MOST_PHOTOS) -> "UploadLimits":
        """Return the limits that the settings set."""
        return cls(settings.max_bytes, settings.max_video_bytes, photos, settings.photo_seconds)

    @property
    def largest(self) -> int:
        """Bytes of a file of any kind."""
        return max(self.photo, self.video)

    @property
    def together(self) -> int:
        """Bytes of a whole body."""
        return max(PHOTOS_TOGETHER * self.photo, VIDEOS_TOGETHER * self.video)

    def file(self, start: bytes | bytearray) -> int:
        """Return how many bytes a file may have that begins like this."""
        if len(start) < FEWEST:
            return self.largest
        return self.video if is_video(bytes(start[:ENOUGH])) else self.photo

    def seconds_for(self, length: int | None) -> float:
        """Return how long a body may take; `length` is the number of its bytes, if known."""
        return self.seconds * min(LONGEST, max(1, math.ceil((length or 0) / self.photo)))


class TooLarge(Exception):
    """A body with more bytes than it may have."""

    def __init__(self, most: int) -> None:
        """Keep how many it may have."""
        super().__init__(most)
        self.most = most


async def read(
    request: web.Request, reservation: Reservation, most: Callable[[bytearray], int]
) -> bytearray:
    """Read a body, but no further than it is known to be too large.

    Args:
        request: has the body.
        reservation: counts its bytes.
        most: returns how many bytes a body may have that begins like this.

    Raises:
        TooLarge: it has, or says that it has, too many bytes.
        Busy: there is no memory for it now.
    """
    body = bytearray()
    announced = request.content_length or 0
    _check(announced, most(body))
    async for chunk in request.content.iter_chunked(CHUNK):
        reservation.grow(len(chunk))
        body += chunk
        _check(max(announced, len(body)), most(body))
    return body


def _check(size: int, most: int) -> None:
    if size > most:
        raise TooLarge(most)
