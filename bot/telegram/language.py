"""The language of an answer, and /language, which chooses it."""

import re

from telegram import CallbackQuery, InlineKeyboardButton, InlineKeyboardMarkup, Message, Update
from telegram.error import BadRequest

from bot import languages
from bot.language_choice import choice_of, choices, choose
from bot.replies import replies
from bot.store.chat_settings import ChatSettings
from bot.telegram.administrators import is_administrator, is_from_administrator
from bot.telegram.buttons import work_for
from bot.telegram.context import Context, Shared
from bot.telegram.identity import PLATFORM, is_private, message_of, visitor_of
from bot.telegram.sending import persistently

PRESSED = re.compile(r"language:(\w{2,3})")
ROW = 2  # buttons in a row of the keyboard


async def language_of(update: Update, chat_settings: ChatSettings) -> str:
    """Return the language of all that is said about an update.

    It is what was chosen for the chat, or else what Telegram says of the person who wrote or
    pressed a button. Channels and anonymous administrators have no language.
    """
    asked = update.callback_query or message_of(update)
    if asked is None:
        return languages.nearest()
    chosen = await chat_settings.language(PLATFORM, visitor_of(asked).chat)
    return languages.nearest(chosen, _own(asked))


async def language(update: Update, context: Context) -> None:
    """Choose the language of a chat, in groups and channels for administrators."""
    message, shared = message_of(update), context.bot_data
    assert message is not None
    wanted = " ".join(context.args or [])
    choice, keyboard = choice_of(wanted), None
    if not (is_private(message) or await is_from_administrator(message)):
        text = replies.LANGUAGE_ADMINS
    elif choice is not None:
        text = await _choose(shared, choice, message, _own(message))
    elif wanted:
        text = replies.language_unknown()
    else:
        text, keyboard = replies.LANGUAGE_CHOICE, _keyboard(private=is_private(message))
    await shared.sender.reply(message, text, buttons=keyboard)


async def press(update: Update, context: Context) -> None:
    """Choose the language that is on a button.

    Raises:
        Hopeless: it failed; the person was told so.
    """
    query = update.callback_query
    assert query is not None
    await work_for(query, lambda: _pressed(query, context.bot_data))


async def _pressed(query: CallbackQuery, shared: Shared) -> str | None:
    button, shown = PRESSED.fullmatch(query.data or ""), query.message
    choice = choice_of(button[1]) if button else None
    if choice is None or not isinstance(shown, Message):
        return replies.GONE
    if not (is_private(shown) or await is_administrator(shown, query.from_user.id)):
        return replies.LANGUAGE_ADMINS
    text = await _choose(shared, choice, shown, _own(query))
    try:
        await persistently(lambda: shown.edit_text(text))
    except BadRequest as error:
        # A button pressed twice chooses the same twice.
        if "not modified" not in error.message.lower():
            raise
    return None


async def _choose(shared: Shared, choice: str, where: Message, own: str | None) -> str:
    return await choose(
        choice,
        shared.services.chat_settings,
        PLATFORM,
        where.chat.id,
        own=languages.nearest(own),
        private=is_private(where),
    )


def _own(asked: Message | CallbackQuery) -> str | None:
    return asked.from_user.language_code if asked.from_user else None


def _keyboard(*, private: bool) -> InlineKeyboardMarkup:
    buttons = [
        InlineKeyboardButton(label, callback_data=f"language:{choice}")
        for choice, label in choices(private=private).items()
    ]
    rows = [buttons[start : start + ROW] for start in range(0, len(buttons), ROW)]
    return InlineKeyboardMarkup(rows)
