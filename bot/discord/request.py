"""What a person asks for with a command or a button, as the inbox keeps it."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Self

import discord

from bot import languages
from bot.discord.photos import Picture, pictures_of
from captioner.translation import ENGLISH


@dataclass(frozen=True)
class PhotoRequest:
    """The parts of an interaction that are needed to answer it, also after a restart.

    The names of the fields are the keys of the JSON in the inbox, where rows of earlier versions
    must stay readable.
    """

    what: Literal["caption", "menu", "another", "look", "scenes"]
    application: int
    token: str = field(repr=False)
    pictures: Sequence[Picture] = ()
    quoted: tuple[int, int] | None = None  # ids of the channel and message with a button's photo
    turn: int = 1  # 1 for the first other caption of a photo, 2 for the second, ...
    shown: str = ""  # the caption above the button
    ephemeral: bool = False
    own: bool = False  # a button is answered by a message of its own, not by an edit
    language: str = ENGLISH  # of the answer

    @classmethod
    def from_command(
        cls,
        interaction: discord.Interaction[Any],
        what: Literal["caption", "menu"],
        pictures: Sequence[Picture],
        *,
        ephemeral: bool = False,
    ) -> Self:
        """Describe a command that is about pictures, to be answered in the language of now."""
        application, token = interaction.application_id, interaction.token
        return cls(
            what, application, token, pictures, ephemeral=ephemeral, language=languages.language()
        )

    @classmethod
    def from_button(
        cls,
        interaction: discord.Interaction[Any],
        what: Literal["another", "look", "scenes"],
        turn: int = 1,
    ) -> Self:
        """Describe a pressed button, to be answered in the language of now.

        Its photo is in the same message or in the one replied to.
        """
        message = interaction.message
        assert message is not None
        quoted = message.reference
        return cls(
            what,
            interaction.application_id,
            interaction.token,
            pictures_of(message)[:1],
            (quoted.channel_id, quoted.message_id) if quoted and quoted.message_id else None,
            turn,
            message.content if what == "another" else "",
            message.flags.ephemeral,
            own=what != "another",
            language=languages.language(),
        )

    @classmethod
    def from_reference(cls, reference: dict[str, Any]) -> Self:
        """Restore a request from what the inbox kept."""
        kept = [Picture(**picture) for picture in reference["pictures"]]
        quoted = reference["quoted"]
        return cls(**{**reference, "pictures": kept, "quoted": quoted and tuple(quoted)})

    @property
    def reference(self) -> dict[str, Any]:
        """What the inbox keeps."""
        return asdict(self)
