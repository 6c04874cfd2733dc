"""What a person asks for with a command or a button, as the inbox keeps it."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Self

import discord

from bot.discord.photos import Picture, pictures


@dataclass(frozen=True)
class Asked:
    """Enough of an interaction to answer it after a restart, while its token lives."""

    what: Literal["caption", "menu", "another", "look"]
    application: int
    token: str = field(repr=False)
    pictures: Sequence[Picture] = ()
    quoted: tuple[int, int] | None = None  # channel and message that have a button's picture
    turn: int = 1  # which time another caption is asked for
    shown: str = ""  # the caption that stands there
    ephemeral: bool = False

    @classmethod
    def by(
        cls,
        interaction: discord.Interaction[Any],
        what: Literal["caption", "menu"],
        found: Sequence[Picture],
        *,
        ephemeral: bool = False,
    ) -> Self:
        """Describe a command that is about pictures."""
        application, token = interaction.application_id, interaction.token
        return cls(what, application, token, found, ephemeral=ephemeral)

    @classmethod
    def pressed(
        cls, interaction: discord.Interaction[Any], what: Literal["another", "look"], turn: int = 1
    ) -> Self:
        """Describe a button under a caption, whose picture is there or in what it replies to."""
        message = interaction.message
        assert message is not None
        asked = message.reference
        return cls(
            what,
            interaction.application_id,
            interaction.token,
            pictures(message)[:1],
            (asked.channel_id, asked.message_id) if asked and asked.message_id else None,
            turn,
            message.content if what == "another" else "",
            message.flags.ephemeral,
        )

    @classmethod
    def restored(cls, reference: dict[str, Any]) -> Self:
        """Make one again of what the inbox kept."""
        found = [Picture(**picture) for picture in reference["pictures"]]
        quoted = reference["quoted"]
        return cls(**{**reference, "pictures": found, "quoted": quoted and tuple(quoted)})

    @property
    def reference(self) -> dict[str, Any]:
        """Return what the inbox keeps."""
        return asdict(self)
