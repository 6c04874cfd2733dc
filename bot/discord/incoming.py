"""A message as it arrives, live or from a channel's history."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import discord

from bot import languages
from bot.access import Visitor
from bot.discord.identity import PLATFORM, Place, place_of
from bot.discord.photos import Picture, pictures_of
from bot.store.inbox_rows import Key

BY_PERSONS = (discord.MessageType.default, discord.MessageType.reply)


def embeds_only(message: discord.Message) -> bool:
    """Return whether the pictures of a message may all have come later than the message itself."""
    others = message.attachments or message.stickers or message.message_snapshots
    return bool(message.embeds) and not others and message.edited_at is None


@dataclass(frozen=True)
class Incoming:
    """A message, the place it was sent to, and the pictures that it carries."""

    message: discord.Message
    place: Place
    pictures: Sequence[Picture]

    @classmethod
    def of(cls, message: discord.Message) -> Self:
        """Find the place and the pictures of a message."""
        return cls(message, place_of(message.channel), pictures_of(message))

    @property
    def key(self) -> Key:
        """Its key in the inbox."""
        return Key(PLATFORM, str(self.message.channel.id), str(self.message.id))

    @property
    def reference(self) -> dict[str, int | str | None]:
        """What the inbox keeps, besides the key, to fetch the message again and to answer it."""
        # The pictures' addresses are not kept, because they expire. The language is that of now:
        # right after a start the server, and so its language, is not known yet.
        return {"guild": self.place.guild, "language": languages.language()}

    @property
    def visitor(self) -> Visitor:
        """Who sent it."""
        return self.place.visitor(self.message.author.id)

    @property
    def in_private(self) -> bool:
        """Whether it was sent to the bot alone."""
        return self.place.guild is None

    @property
    def by_person(self) -> bool:
        """Whether a person wrote it: not a bot, a webhook or Discord itself."""
        message = self.message
        return not message.author.bot and message.webhook_id is None and message.type in BY_PERSONS

    def pictures_for(self, user: discord.ClientUser | None) -> Sequence[Picture]:
        """Return the pictures to caption; files that may be anything only if a user is asked."""
        asked = self.addresses(user)
        return [picture for picture in self.pictures if asked or picture.declared]

    def mentions(self, user: discord.ClientUser | None) -> bool:
        """Return whether its text mentions a user; replying to someone is not enough."""
        return user is not None and user.id in self.message.raw_mentions

    def addresses(self, user: discord.ClientUser | None) -> bool:
        """Return whether it is for a user: in private, by a mention, or in reply to them."""
        reference = self.message.reference
        quoted = reference.resolved if reference is not None else None
        return (
            self.in_private
            or user in self.message.mentions
            or (isinstance(quoted, discord.Message) and quoted.author == user)
        )
