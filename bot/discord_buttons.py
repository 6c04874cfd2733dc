"""The buttons under a caption; all that they know is in their ids and in the message itself."""

import io
import re
from functools import partial
from typing import TYPE_CHECKING, Any, Self

import discord

from bot import replies
from bot.discord_photos import Picture, pictures

if TYPE_CHECKING:
    from bot.discord_client import PhotoClient

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
        message = interaction.message
        assert message is not None
        with interaction.client.at_work():
            if self.custom_id == "alt":
                text = f"```\n{replies.without_doubt(message.content)}\n```"
                await interaction.response.send_message(text, ephemeral=True)
                return
            await interaction.response.defer()
            picture = await _picture(interaction.client, message)
            if picture is None:
                await _whisper(interaction, replies.GONE)
            elif self.custom_id == "look":
                await _look(interaction, message, picture)
            else:
                turn = int(self.custom_id.partition(":")[2])
                await _another(interaction, message, picture, turn)


async def _another(
    interaction: "discord.Interaction[PhotoClient]",
    message: discord.Message,
    picture: Picture,
    turn: int,
) -> None:
    photos = interaction.client.photos
    ask = partial(photos.answers.another, turn=turn, shown=message.content)
    answer = await photos.ask(picture, ask, lost=replies.GONE)
    if answer.problem:
        await _whisper(interaction, answer.text)
    elif answer.text == replies.NOTHING_ELSE:
        await interaction.edit_original_response(view=buttons(turn + 1))
        await _whisper(interaction, answer.text)
    else:
        await interaction.edit_original_response(content=answer.text, view=buttons(turn + 1))


async def _look(
    interaction: "discord.Interaction[PhotoClient]", message: discord.Message, picture: Picture
) -> None:
    photos = interaction.client.photos
    answer = await photos.ask(picture, photos.answers.looked, lost=replies.GONE)
    if answer.picture is None:
        await _whisper(interaction, answer.text)
        return
    sheet = discord.File(io.BytesIO(answer.picture), "where-i-looked.jpg")
    await interaction.followup.send(
        answer.text, file=sheet, ephemeral=message.flags.ephemeral, wait=True
    )


async def _whisper(interaction: "discord.Interaction[PhotoClient]", text: str) -> None:
    await interaction.followup.send(text, ephemeral=True, wait=True)


async def _picture(client: "PhotoClient", message: discord.Message) -> Picture | None:
    found = pictures(message)
    asked = message.reference
    if not found and asked is not None and asked.message_id is not None:
        channel = client.get_partial_messageable(asked.channel_id)
        try:
            found = pictures(await channel.fetch_message(asked.message_id))
        except (discord.NotFound, discord.Forbidden):
            return None
    return found[0] if found else None
