"""The commands that Discord shows in its menus."""

from typing import Any, Literal

import discord
import structlog
from discord import app_commands

from bot.discord.errors import reason
from bot.discord.identity import PLATFORM, place_of_interaction
from bot.discord.intake import PhotoClient
from bot.discord.language import language
from bot.discord.photos import picture_of, pictures_of
from bot.discord.request import PhotoRequest
from bot.discord.sending import whisper
from bot.replies import (
    COMMANDS,
    DISCORD_CAPTION,
    DISCORD_MENU,
    DISCORD_OPTIONS,
    OPERATORS_COMMANDS,
    replies,
)

log = structlog.stdlib.get_logger(__name__)

Interaction = discord.Interaction[PhotoClient]
Command = app_commands.Command[Any, ..., None]


class Commands(app_commands.CommandTree[PhotoClient]):
    """All commands, for servers and for users' own accounts."""

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
        asking: tuple[Command, ...] = (caption, help_, privacy, about)
        commands: tuple[Command, ...] = (*asking, auto, language, settings)
        for command in (*commands, stats, leave):
            self.add_command(command)

    async def interaction_check(self, interaction: Interaction) -> bool:
        """Serve people who are allowed, and nobody once the bot is stopping."""
        allowed = False
        await self.client.interactions.speak(interaction)
        if not self.client.stopping:
            with self.client.at_work():
                allowed = await self.client.interactions.check_access(interaction)
        return allowed

    async def on_error(self, interaction: Interaction, error: app_commands.AppCommandError) -> None:
        """Log that Discord sent a command of another version of the bot."""
        log.warning("unknown command", platform=PLATFORM, reason=reason(error))


@app_commands.command(description=DISCORD_CAPTION)
@app_commands.describe(photo=DISCORD_OPTIONS["photo"], ephemeral=DISCORD_OPTIONS["ephemeral"])
async def caption(
    interaction: Interaction, photo: discord.Attachment, ephemeral: bool = False
) -> None:
    """Caption an attachment."""
    with interaction.client.at_work():
        found = picture_of(photo)
        request = PhotoRequest.from_command(
            interaction, "caption", [found] if found else [], ephemeral=ephemeral
        )
        await interaction.client.interactions.receive(interaction, request)


@app_commands.context_menu(name=DISCORD_MENU)
async def caption_message(interaction: Interaction, message: discord.Message) -> None:
    """Caption the pictures of any message, which Discord sends with the interaction."""
    with interaction.client.at_work():
        request = PhotoRequest.from_command(interaction, "menu", pictures_of(message))
        await interaction.client.interactions.receive(interaction, request)


@app_commands.command(description=COMMANDS["auto"])
@app_commands.describe(captions=DISCORD_OPTIONS["captions"])
@app_commands.allowed_installs(guilds=True, users=False)
@app_commands.allowed_contexts(guilds=True, dms=False, private_channels=False)
@app_commands.default_permissions(manage_channels=True)
async def auto(interaction: Interaction, captions: Literal["on", "off"]) -> None:
    """Switch automatic captions of a channel on or off."""
    client, place = interaction.client, place_of_interaction(interaction)
    with client.at_work():
        if place.guild is None:
            await whisper(interaction, replies.AUTO_PRIVATE)
        elif not interaction.permissions.manage_channels:  # a server can offer it to others
            await whisper(interaction, replies.AUTO_ADMINS)
        elif captions == "on" and not client.intents.message_content:
            await whisper(interaction, replies.AUTO_NEEDS_INTENT)
        else:
            await interaction.response.defer()
            await client.services.chat_settings.set_auto(PLATFORM, place.channel, captions == "on")
            if captions == "on":
                await client.messages.backfill.mark_read(place.channel, interaction.id, place.guild)
            else:
                await client.messages.backfill.unwatch(place.channel)
            text = replies.AUTO_ON if captions == "on" else replies.AUTO_OFF
            await interaction.edit_original_response(content=text)


@app_commands.command(description=COMMANDS["settings"])
async def settings(interaction: Interaction) -> None:
    """Show the settings of a channel."""
    client, place = interaction.client, place_of_interaction(interaction)
    with client.at_work():
        await interaction.response.defer(ephemeral=True)
        text = replies.settings(
            auto=client.intents.message_content and await client.messages.captions_all(place),
            private=interaction.context.dm_channel,
            max_mb=client.services.settings.max_photo_mb,
            max_video_mb=client.services.settings.max_video_mb,
            max_photos=client.services.settings.max_photos,
            chosen=await client.services.chat_settings.language(PLATFORM, place.channel),
        )
        await interaction.edit_original_response(content=text)


@app_commands.command(name="help", description=COMMANDS["help"])
async def help_(interaction: Interaction) -> None:
    """Explain what the bot can do."""
    with interaction.client.at_work():
        await whisper(interaction, replies.help_text(replies.DISCORD_GROUP_HELP))


@app_commands.command(description=COMMANDS["privacy"])
async def privacy(interaction: Interaction) -> None:
    """Explain what happens to photos."""
    with interaction.client.at_work():
        await whisper(interaction, replies.PRIVACY)


@app_commands.command(description=COMMANDS["about"])
async def about(interaction: Interaction) -> None:
    """Describe the model."""
    with interaction.client.at_work():
        await whisper(interaction, interaction.client.services.about())


@app_commands.command(description=OPERATORS_COMMANDS["stats"])
@app_commands.default_permissions(administrator=True)
async def stats(interaction: Interaction) -> None:
    """Show an operator what the bot has done."""
    with interaction.client.at_work():
        operator = _by_operator(interaction)
        text = await interaction.client.services.stats() if operator else replies.OPERATORS_ONLY
        await whisper(interaction, text)


@app_commands.command(description=OPERATORS_COMMANDS["leave"])
@app_commands.default_permissions(administrator=True)
async def leave(interaction: Interaction) -> None:
    """Leave a server if an operator asks for it."""
    with interaction.client.at_work():
        # People can also use the bot in a server that it is not a member of.
        guild = interaction.client.get_guild(interaction.guild_id or 0)
        if not _by_operator(interaction):
            await whisper(interaction, replies.OPERATORS_ONLY)
        elif guild is None:
            await whisper(interaction, replies.LEAVE_GROUPS)
        else:
            await whisper(interaction, replies.LEAVING)
            await guild.leave()


def _by_operator(interaction: Interaction) -> bool:
    visitor = place_of_interaction(interaction).visitor(interaction.user.id)
    return interaction.client.services.access.is_operator(visitor)
