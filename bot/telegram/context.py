"""What every handler gets besides the update."""

from dataclasses import dataclass
from typing import Any, Self

from telegram.ext import CallbackContext, ExtBot

from bot.services import Services
from bot.telegram.albums import Albums
from bot.telegram.photos import Photos
from bot.telegram.sending import Sender


@dataclass(frozen=True)
class Shared:
    """What all handlers share; the library calls it `bot_data`."""

    services: Services
    sender: Sender
    photos: Photos
    albums: Albums

    @classmethod
    def of(cls, services: Services) -> Self:
        """Start with no album and no photo in memory."""
        photos = Photos(services.settings.max_photo_mb, services.settings.max_video_mb)
        return cls(services, Sender(services.chat_settings), photos, Albums())


Context = CallbackContext[ExtBot[None], dict[Any, Any], dict[Any, Any], Shared]
