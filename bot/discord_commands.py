"""The commands that Discord shows in its menus."""

import logging
from typing import Any, Literal

import discord
from discord import app_commands
from discord.utils import MISSING

from bot import replies
from bot.discord_buttons import buttons
from bot.discord_client import PhotoClient, reason
from bot.discord_photos import attached, is_picture, pictures

log = logging.getLogger(__name__)

Interaction = discord.Interaction[PhotoClient]
Command = app_commands.Command[Any, ..., None]


class Commands(app_commands.CommandTree[PhotoClient]):
    """All commands, for servers and for people's own accounts."""

    def __init__(self, client: PhotoClient) -> None:
        """Add the commands to a client."""
        super().__init__(
            client,
            allowed_installs=app_commands.AppInstallationType(guild=True, user=True),
            allowed_contexts=app_commands.AppCommandContext(
                guild=True, dm_channel=True, private_channel=True
            ),
        )
        self.add_command(caption_message)
        commands: tuple[Command, ...] = (caption, auto, settings, help_, privacy, about)
        for command in commands:
            self.add_command(command)

    async def interaction_check(self, interaction: Interaction) -> bool:
        """Accept nothing any more once the bot is leaving."""
        return not self.client.leaving

    async def on_error(self, interaction: Interaction, error: app_commands.AppCommandError) -> None:
        """Say in one line that Discord sent a command of an older or newer version."""
        log.warning("Discord: a command could not be used: %s", reason(error))


@app_commands.command(description=replies.DISCORD_CAPTION)
@app_commands.describe(
    photo=replies.DISCORD_OPTIONS["photo"], ephemeral=replies.DISCORD_OPTIONS["ephemeral"]
)
async def caption(
    interaction: Interaction, photo: discord.Attachment, ephemeral: bool = False
) -> None:
    """Say what is in an attachment; the answer shows it, so that buttons find it again."""
    with interaction.client.at_work():
        await interaction.response.defer(ephemeral=ephemeral)
        if not is_picture(photo):
            await interaction.edit_original_response(content=replies.NEEDS_ATTACHMENT)
            return
        reply = await interaction.client.photos.describe([attached(photo)])
        shown = discord.Embed().set_image(url=photo.url)
        await interaction.edit_original_response(
            content=reply.text,
            embed=shown if reply.picture else MISSING,
            view=buttons() if reply.picture else MISSING,
        )


@app_commands.context_menu(name=replies.DISCORD_MENU)
async def caption_message(interaction: Interaction, message: discord.Message) -> None:
    """Say what is in the pictures of any message, which comes here as a whole."""
    with interaction.client.at_work():
        await interaction.response.defer()
        found = pictures(message)
        if not found:
            await interaction.edit_original_response(content=replies.NEEDS_ATTACHMENT)
            return
        reply = await interaction.client.photos.describe(found)
        shown = discord.Embed().set_thumbnail(url=found[0].url)
        await interaction.edit_original_response(
            content=reply.text,
            embed=shown if reply.picture else MISSING,
            view=buttons() if reply.picture else MISSING,
        )


@app_commands.command(description=replies.COMMANDS["auto"])
@app_commands.describe(captions=replies.DISCORD_OPTIONS["captions"])
@app_commands.allowed_installs(guilds=True, users=False)
@app_commands.allowed_contexts(guilds=True, dms=False, private_channels=False)
@app_commands.default_permissions(manage_channels=True)
async def auto(interaction: Interaction, captions: Literal["on", "off"]) -> None:
    """Switch automatic captions of a channel; a server may have let others use the command."""
    client = interaction.client
    with client.at_work():
        if interaction.guild_id is None or interaction.channel_id is None:
            await _whisper(interaction, replies.AUTO_PRIVATE)
        elif not interaction.permissions.manage_channels:
            await _whisper(interaction, replies.AUTO_ADMINS)
        elif captions == "on" and not client.intents.message_content:
            await _whisper(interaction, replies.AUTO_NEEDS_INTENT)
        else:
            await interaction.response.defer()
            platform, on = client.photos.answers.platform, captions == "on"
            await client.chats.set_auto(platform, interaction.channel_id, on)
            await interaction.edit_original_response(
                content=replies.AUTO_ON if on else replies.AUTO_OFF
            )


@app_commands.command(description=replies.COMMANDS["settings"])
async def settings(interaction: Interaction) -> None:
    """Say what is set in this channel."""
    client, limits = interaction.client, interaction.client.photos.settings
    with client.at_work():
        await interaction.response.defer(ephemeral=True)
        channel, platform = interaction.channel_id or 0, client.photos.answers.platform
        text = replies.settings(
            auto=client.intents.message_content and await client.chats.auto(platform, channel),
            private=interaction.context.dm_channel,
            max_mb=limits.max_photo_mb,
            max_photos=limits.max_photos,
        )
        await interaction.edit_original_response(content=text)


@app_commands.command(name="help", description=replies.COMMANDS["help"])
async def help_(interaction: Interaction) -> None:
    """Say what the bot can do."""
    with interaction.client.at_work():
        await _whisper(interaction, replies.help_text(replies.DISCORD_GROUP_HELP))


@app_commands.command(description=replies.COMMANDS["privacy"])
async def privacy(interaction: Interaction) -> None:
    """Say what happens to photos."""
    with interaction.client.at_work():
        await _whisper(interaction, replies.PRIVACY)


@app_commands.command(description=replies.COMMANDS["about"])
async def about(interaction: Interaction) -> None:
    """Say which model answers."""
    with interaction.client.at_work():
        await _whisper(interaction, interaction.client.about)


async def _whisper(interaction: Interaction, text: str) -> None:
    await interaction.response.send_message(text, ephemeral=True, suppress_embeds=True)
