"""The buttons under a caption; all that they know is in their ids and in the message itself."""

import re
from typing import TYPE_CHECKING, Any, Self

import discord

from bot import replies
from bot.discord.request import Asked

if TYPE_CHECKING:
    from bot.discord.intake import PhotoClient

LABELS = {"another": replies.ANOTHER, "look": replies.LOOK, "alt": replies.ALT_TEXT}


def buttons(turn: int = 1) -> discord.ui.View:
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
    async def from_custom_id(  # type: ignore[override]  # the client is always ours
        cls,
        interaction: "discord.Interaction[PhotoClient]",
        item: discord.ui.Item[Any],
        match: re.Match[str],
    ) -> Self:
        """Make the button again that was pressed."""
        return cls(match.string)

    async def interaction_check(  # type: ignore[override]
        self, interaction: "discord.Interaction[PhotoClient]"
    ) -> bool:
        """Serve only the bot's own messages, and nothing any more once it is leaving."""
        me, message = interaction.client.user, interaction.message
        own = me is not None and message is not None and message.author.id == me.id
        return own and not interaction.client.leaving

    async def callback(  # type: ignore[override]
        self, interaction: "discord.Interaction[PhotoClient]"
    ) -> None:
        """Do what the button says."""
        message, interactions = interaction.message, interaction.client.interactions
        assert message is not None
        with interaction.client.at_work():
            what, _, turn = self.custom_id.partition(":")
            if what == "another":
                await interactions.take(
                    interaction, Asked.pressed(interaction, "another", int(turn))
                )
            elif what == "look":
                await interactions.take(interaction, Asked.pressed(interaction, "look"))
            elif await interactions.admit(interaction):
                text = f"```\n{replies.without_doubt(message.content)}\n```"
                await interaction.response.send_message(text, ephemeral=True)
