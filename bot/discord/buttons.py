"""The buttons under a caption; all that they know is in their ids and in the message itself."""

import re
from contextlib import AbstractContextManager
from typing import Any, Protocol, Self

import discord

from bot import replies
from bot.discord.request import Asked

Interaction = discord.Interaction[Any]

LABELS = {"another": replies.ANOTHER, "look": replies.LOOK, "alt": replies.ALT_TEXT}


class Requests(Protocol):
    """Answers what a button asks for: `interactions.Interactions`."""

    async def admit(self, interaction: Interaction) -> bool:
        """Check that someone may use the bot; tell them if not."""

    async def take(self, interaction: Interaction, asked: Asked) -> None:
        """Record a request and answer it."""


class ButtonClient(Protocol):
    """What a button needs of its client, so that it need not import `intake.PhotoClient`."""

    leaving: bool

    @property
    def user(self) -> discord.ClientUser | None:
        """The bot's own account."""

    @property
    def interactions(self) -> Requests:
        """Answers what a button asks for."""

    def at_work(self) -> AbstractContextManager[None]:
        """Finish what runs in here before the client stops."""

    def add_dynamic_items(self, *items: type["CaptionButton"]) -> None:
        """Serve buttons of some classes."""


def serve_buttons(client: ButtonClient) -> None:
    """Have a client serve the buttons, including those under old messages."""
    client.add_dynamic_items(CaptionButton)


def buttons_under(turn: int = 1) -> discord.ui.View:
    """Return the row of buttons.

    Args:
        turn: which time it will be that another caption is asked for.
    """
    row = discord.ui.View(timeout=None)
    for what in (f"another:{turn}", "look", "alt"):
        row.add_item(CaptionButton(what))
    return row


class CaptionButton(
    discord.ui.DynamicItem[discord.ui.Button[Any]],
    template=r"another:(?P<turn>[0-9]{1,9})|look|alt",
):
    """One button; Discord hands back its id, also years later."""

    def __init__(self, custom_id: str) -> None:
        """Label a button by its id."""
        label = LABELS[custom_id.partition(":")[0]]
        super().__init__(discord.ui.Button(label=label, custom_id=custom_id))

    @classmethod
    async def from_custom_id(
        cls,
        interaction: Interaction,
        item: discord.ui.Item[Any],
        match: re.Match[str],
    ) -> Self:
        """Make the button again that was pressed."""
        return cls(match.string)

    async def interaction_check(self, interaction: Interaction) -> bool:
        """Serve only the bot's own messages, and nothing any more once it is leaving."""
        client, message = _client(interaction), interaction.message
        own = client.user and message and message.author.id == client.user.id
        return bool(own) and not client.leaving

    async def callback(self, interaction: Interaction) -> None:
        """Do what the button says."""
        client, message = _client(interaction), interaction.message
        assert message is not None
        with client.at_work():
            what, _, turn = self.custom_id.partition(":")
            if what == "another":
                await client.interactions.take(
                    interaction, Asked.pressed(interaction, "another", int(turn))
                )
            elif what == "look":
                await client.interactions.take(interaction, Asked.pressed(interaction, "look"))
            elif await client.interactions.admit(interaction):
                text = f"```\n{replies.without_doubt(message.content)}\n```"
                await interaction.response.send_message(text, ephemeral=True)


def _client(interaction: Interaction) -> ButtonClient:
    client: ButtonClient = interaction.client
    return client
