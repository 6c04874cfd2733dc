"""The shards of this process: its connections to the gateway, and which messages each gets.

Discord sends the events of a server to one shard, and direct messages to shard 0:
https://discord.com/developers/docs/events/gateway#sharding
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from bot.settings import Settings

DIRECT_MESSAGES = 0  # the shard that gets them


@dataclass(frozen=True)
class Shards:
    """Some of a bot's shards, or all of them."""

    ids: Sequence[int]  # of this process, ascending
    count: int  # of all processes together

    @classmethod
    def of(cls, settings: Settings, recommended: int) -> Self:
        """Return the shards that are set, or else as many as Discord recommends."""
        count = settings.shard_count or recommended
        return cls(settings.shard_ids or range(count), count)

    def of_guild(self, guild: int | None) -> int:
        """Return the shard that gets the messages of a server; None is for direct messages."""
        return DIRECT_MESSAGES if guild is None else (guild >> 22) % self.count

    @property
    def lead(self) -> bool:
        """Whether this process does what only one may do, such as setting the commands."""
        return DIRECT_MESSAGES in self.ids

    def __str__(self) -> str:
        """Describe them for an operator."""
        first, last = self.ids[0], self.ids[-1]
        whole = last - first + 1 == len(self.ids) > 2
        return (
            f"shards {f'{first}-{last}' if whole else ','.join(map(str, self.ids))} of {self.count}"
        )
