"""The buttons under a caption; all that they need is in their ids and their message."""

import re
from contextlib import AbstractContextManager
from typing import Any, Literal, Protocol, Self

import discord
from discord.utils import MISSING

from bot.discord.photos import Reply
from bot.discord.request import PhotoRequest
from bot.replies import replies
from bot.wording import alt_text

Interaction = discord.Interaction[Any]


class RequestHandler(Protocol):
    """Answers what a button asks for; see `interactions.Interactions`."""

    async def speak(self, interaction: Interaction) -> None:
        """Speak the language for a pressed button from now on."""

    async def check_access(self, interaction: Interaction) -> bool:
        """Return whether someone may use the bot; whisper the reason if not."""

    async def receive(self, interaction: Interaction, request: PhotoRequest) -> None:
        """Record a request and answer it."""


class ButtonClient(Protocol):
    """What a button needs of its client, `intake.PhotoClient`, which imports this file."""

    stopping: bool

    @property
    def user(self) -> discord.ClientUser | None:
        """The bot's own account."""

    @property
    def interactions(self) -> RequestHandler:
        """Answers what a button asks for."""

    def at_work(self) -> AbstractContextManager[None]:
        """Have the client finish the work inside before it stops."""

    def add_dynamic_items(self, *items: type["CaptionButton"]) -> None:
        """Have the library call a class of buttons."""


def serve_buttons(client: ButtonClient) -> None:
    """Have a client serve the buttons, including those under old messages."""
    client.add_dynamic_items(CaptionButton)


def buttons_under(turn: int = 1) -> discord.ui.View:
    """Return the buttons of a caption.

    Args:
        turn: 1 if "another" will be the first other caption of the photo, 2 for the second, ...
    """
    return _row(f"another:{turn}", "look", "alt")


def buttons_of(reply: Reply, *, shown: bool = False) -> discord.ui.View:
    """Return the buttons of a reply; `MISSING` if it has no caption.

    Args:
        reply: with what was captioned.
        shown: the reply shows that itself and quotes no message: of a video only the preview.
    """
    if reply.picture is None:
        return MISSING
    if not reply.told:
        return buttons_under()
    return _row("alt") if shown and reply.picture.video else _row("scenes", "alt")


def _row(*custom_ids: str) -> discord.ui.View:
    row = discord.ui.View(timeout=None)
    for custom_id in custom_ids:
        row.add_item(CaptionButton(custom_id))
    return row


class CaptionButton(
    discord.ui.DynamicItem[discord.ui.Button[Any]],
    template=r"another:(?P<turn>[0-9]{1,9})|look|scenes|alt",
):
    """One button; Discord sends its id back when it is pressed, even years later."""

    def __init__(self, custom_id: str) -> None:
        """Label a button by its id."""
        label = _label(custom_id.partition(":")[0])
        super().__init__(discord.ui.Button(label=label, custom_id=custom_id))

    @classmethod
    async def from_custom_id(
        cls,
        interaction: Interaction,
        item: discord.ui.Item[Any],
        match: re.Match[str],
    ) -> Self:
        """Restore the button that was pressed."""
        return cls(match.string)

    async def interaction_check(self, interaction: Interaction) -> bool:
        """Serve only buttons under the bot's own messages, and none while it is stopping."""
        client, message = _client(interaction), interaction.message
        await client.interactions.speak(interaction)
        own = client.user and message and message.author.id == client.user.id
        return bool(own) and not client.stopping

    async def callback(self, interaction: Interaction) -> None:
        """Do what the button asks for."""
        client, message = _client(interaction), interaction.message
        assert message is not None
        with client.at_work():
            what, _, turn = self.custom_id.partition(":")
            if what == "another":
                request = PhotoRequest.from_button(interaction, "another", int(turn))
                await client.interactions.receive(interaction, request)
            elif what in ("look", "scenes"):
                shows: Literal["look", "scenes"] = "look" if what == "look" else "scenes"
                request = PhotoRequest.from_button(interaction, shows)
                await client.interactions.receive(interaction, request)
            elif await client.interactions.check_access(interaction):
                text = f"```\n{alt_text(message.content)}\n```"
                await interaction.response.send_message(text, ephemeral=True)


def _label(what: str) -> str:
    labels = {"another": replies.ANOTHER, "alt": replies.ALT_TEXT}
    return labels.get(what, replies.LOOK)


def _client(interaction: Interaction) -> ButtonClient:
    client: ButtonClient = interaction.client
    return client
