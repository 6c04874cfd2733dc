"""What Telegram shows of the bot: the menu of its commands, and its description."""

import asyncio
from typing import Any

import structlog
from telegram import BotCommand, BotCommandScopeAllGroupChats
from telegram.error import TelegramError
from telegram.ext import ExtBot

from bot import languages
from bot.languages import translated
from bot.replies import COMMANDS, replies
from bot.telegram.errors import reason
from bot.telegram.identity import PLATFORM
from captioner.translation import ENGLISH

log = structlog.stdlib.get_logger(__name__)

TRANSLATED = tuple(code for code in languages.NAMES if code != ENGLISH)


async def show_menu(bot: ExtBot[Any]) -> None:
    """Show the commands in Telegram's menu, in everyone's own language; /auto in groups only.

    Describe the bot as well, unless its operator did. What fails beyond the English menu is left
    as it was: Telegram allows few such changes in a short time.

    Raises:
        TelegramError: Telegram refuses the English menu, or cannot be reached.
    """
    await _show(bot, ENGLISH)
    try:
        ours = await _describes(bot)
        async with asyncio.TaskGroup() as group:
            for code in TRANSLATED:
                group.create_task(_show(bot, code))
            for code in (ENGLISH, *TRANSLATED) if ours else ():
                group.create_task(_describe(bot, code))
    except* TelegramError as errors:
        why = reason(errors.exceptions[0], bot.token)
        log.warning("menu not translated", platform=PLATFORM, reason=why)


async def _show(bot: ExtBot[Any], code: str) -> None:
    with languages.speaking(code):
        commands = [BotCommand(name, translated(text)) for name, text in COMMANDS.items()]
    private = [command for command in commands if command.command != "auto"]
    await bot.set_my_commands(private, language_code=_tag(code))
    await bot.set_my_commands(commands, BotCommandScopeAllGroupChats(), language_code=_tag(code))


async def _describes(bot: ExtBot[Any]) -> bool:
    """Return whether the bot may describe itself: nobody did, or the bot itself."""
    long, short = await bot.get_my_description(), await bot.get_my_short_description()
    with languages.speaking(ENGLISH):
        return {long.description, short.short_description} <= {"", replies.HINT}


async def _describe(bot: ExtBot[Any], code: str) -> None:
    with languages.speaking(code):
        hint = replies.HINT
    await bot.set_my_description(hint, language_code=_tag(code))
    await bot.set_my_short_description(hint, language_code=_tag(code))


def _tag(code: str) -> str | None:
    return None if code == ENGLISH else code  # English is for all other languages too
