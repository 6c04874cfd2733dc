"""Who asks on Discord, and where."""

from dataclasses import dataclass
from typing import Any

import discord

from bot.access import Visitor
from bot.platforms import DISCORD

PLATFORM = DISCORD


@dataclass(frozen=True)
class Place:
    """A channel; a thread counts as its channel, and shares its settings."""

    channel: int
    guild: int | None = None  # the server; None in private

    def visitor(self, person: int) -> Visitor:
        """Return the visitor for a person who asks here."""
        return Visitor(PLATFORM, person, self.channel, self.guild)


def place_of(channel: object) -> Place:
    """Return the place of one of the library's channels."""
    match channel:
        case discord.Thread():
            return Place(channel.parent_id, channel.guild.id)
        case discord.abc.GuildChannel():
            return Place(channel.id, channel.guild.id)
        case discord.PartialMessageable():
            return Place(channel.id, channel.guild_id)
        case discord.abc.PrivateChannel():
            return Place(channel.id)
        case _:  # a kind that is newer than the library
            return Place(0, 0)


def place_of_interaction(interaction: discord.Interaction[Any]) -> Place:
    """Return the place where a command or a button was used."""
    if interaction.channel is None:
        return Place(0, interaction.guild_id)
    return place_of(interaction.channel)
