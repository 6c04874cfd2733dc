"""The language of an answer, /language, which chooses it, and the menus in every language."""

from typing import Any

import discord
from discord import app_commands
from discord.app_commands import TranslationContextLocation as Location

from bot import languages
from bot.discord.identity import PLATFORM, Place, place_of_interaction
from bot.discord.sending import whisper
from bot.language_choice import choices, choose
from bot.languages import translated
from bot.replies import COMMANDS, DISCORD_OPTIONS, replies
from bot.store.chat_settings import ChatSettings
from captioner.translation import ENGLISH

# Discord's locales that are ours; the others, English among them, read the menus in English.
MENUS = {"cs": "cs", "de": "de", "fr": "fr", "pt-BR": "pt", "zh-CN": "zh"}
TRANSLATED = (
    Location.command_description,
    Location.parameter_description,
    Location.choice_name,
)


async def language_of_interaction(
    interaction: discord.Interaction[Any], chat_settings: ChatSettings
) -> str:
    """Return the language of all that is said about a command or a pressed button.

    It is what was chosen for the channel, or else the person's, or else the server's.
    """
    place = place_of_interaction(interaction)
    chosen = await chat_settings.language(PLATFORM, place.channel)
    return languages.nearest(chosen, *_own(interaction))


async def language_of_place(
    client: discord.Client, place: Place, chat_settings: ChatSettings, kept: str | None = None
) -> str:
    """Return the language of all that is said about a message.

    It is what was chosen for the channel, or else the server's: Discord does not tell bots the
    language of those who write messages.

    Args:
        client: knows the server, soon after it is connected.
        place: of the message.
        chat_settings: keep what was chosen.
        kept: the language when the message arrived, if that was recorded.
    """
    chosen = await chat_settings.language(PLATFORM, place.channel)
    guild = client.get_guild(place.guild or 0)
    return languages.nearest(chosen, kept, str(guild.preferred_locale) if guild else None)


class Menus(app_commands.Translator):
    """Translates descriptions and the menu of a message; a slash command keeps its name."""

    async def translate(
        self,
        string: app_commands.locale_str,
        locale: discord.Locale,
        context: app_commands.TranslationContextTypes,
    ) -> str | None:
        """Return a text of the menus in a language; None if it is the English one."""
        in_a_menu = isinstance(context.data, app_commands.ContextMenu)
        code = MENUS.get(locale.value)
        if code is None or not (in_a_menu or context.location in TRANSLATED):
            return None
        with languages.speaking(code):
            text = translated(string.message)
        return text if text != string.message else None


def _choices() -> list[app_commands.Choice[str]]:
    with languages.speaking(ENGLISH):  # Discord translates the one that is no name
        labels = choices(private=False)
    return [app_commands.Choice(name=label, value=choice) for choice, label in labels.items()]


@app_commands.command(description=COMMANDS["language"])
@app_commands.describe(language=DISCORD_OPTIONS["language"])
@app_commands.choices(language=_choices())
@app_commands.allowed_contexts(guilds=True, dms=True, private_channels=False)
@app_commands.default_permissions(manage_channels=True)
async def language(interaction: discord.Interaction[Any], language: str) -> None:
    """Choose the language of a channel, or of a person's messages with the bot."""
    client, place = interaction.client, place_of_interaction(interaction)
    private = place.guild is None
    with client.at_work():
        # A server can offer the command to others.
        if not (private or interaction.permissions.manage_channels):
            await whisper(interaction, replies.LANGUAGE_ADMINS)
            return
        await interaction.response.defer(ephemeral=True)
        text = await choose(
            language,
            client.services.chat_settings,
            PLATFORM,
            place.channel,
            own=languages.nearest(*_own(interaction)),
            private=private,
        )
        await interaction.edit_original_response(content=text)


def _own(interaction: discord.Interaction[Any]) -> tuple[str, str | None]:
    server = interaction.guild_locale
    return str(interaction.locale), str(server) if server else None
