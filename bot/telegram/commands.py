"""The commands; /language is in a file of its own."""

import structlog
from telegram import Message, Update
from telegram.error import TelegramError

from bot.replies import replies
from bot.telegram import messages
from bot.telegram.administrators import is_administrator, is_from_administrator
from bot.telegram.context import Context
from bot.telegram.errors import reason
from bot.telegram.identity import PLATFORM, is_private, message_of, visitor_of
from bot.telegram.photos import quoted_by
from bot.telegram.sending import persistently

log = structlog.stdlib.get_logger(__name__)


async def start(update: Update, context: Context) -> None:
    """Say hello."""
    await _reply(update, context, replies.START)


async def help_(update: Update, context: Context) -> None:
    """Explain what the bot can do."""
    await _reply(update, context, replies.help_text(replies.TELEGRAM_GROUP_HELP))


async def privacy(update: Update, context: Context) -> None:
    """Explain what happens to photos."""
    await _reply(update, context, replies.PRIVACY)


async def about(update: Update, context: Context) -> None:
    """Describe the model."""
    await _reply(update, context, context.bot_data.services.about())


async def settings(update: Update, context: Context) -> None:
    """Show the settings of this chat."""
    message, services = _message(update), context.bot_data.services
    text = replies.settings(
        auto=await services.chat_settings.auto(PLATFORM, message.chat.id),
        private=is_private(message),
        max_mb=services.settings.max_photo_mb,
        max_video_mb=services.settings.max_video_mb,
        max_photos=services.settings.max_photos,
        chosen=await services.chat_settings.language(PLATFORM, message.chat.id),
    )
    await _reply(update, context, text)


async def auto(update: Update, context: Context) -> None:
    """Switch automatic captions of a group or channel, for its administrators."""
    message = _message(update)
    on = {"on": True, "off": False}.get(" ".join(context.args or []).lower())
    if is_private(message):
        text = replies.AUTO_PRIVATE
    elif on is None:
        text = replies.AUTO_USAGE
    elif not await is_from_administrator(message):
        text = replies.AUTO_ADMINS
    else:
        await context.bot_data.services.chat_settings.set_auto(PLATFORM, message.chat.id, on)
        text = replies.AUTO_ON if on else replies.AUTO_OFF
        if on and not await _gets_every_photo(message):
            text += f"\n\n{replies.TELEGRAM_PRIVACY_MODE}"
    await _reply(update, context, text)


async def caption(update: Update, context: Context) -> None:
    """Caption the photo that the command replies to, here or in another chat."""
    message = _message(update)
    if quoted := quoted_by(message):
        await messages.caption(context.bot_data, [quoted], asked=message)
    else:
        await _reply(update, context, replies.NEEDS_PHOTO)


async def stats(update: Update, context: Context) -> None:
    """Show the bot's figures to an operator."""
    operator = _is_from_operator(update, context)
    text = await context.bot_data.services.stats() if operator else replies.OPERATORS_ONLY
    await _reply(update, context, text)


async def leave(update: Update, context: Context) -> None:
    """Leave a group if an operator asks for it."""
    message = _message(update)
    if not _is_from_operator(update, context):
        await _reply(update, context, replies.OPERATORS_ONLY)
    elif is_private(message):
        await _reply(update, context, replies.LEAVE_GROUPS)
    else:
        await _reply(update, context, replies.LEAVING)
        try:
            await persistently(message.chat.leave)
        except TelegramError as error:
            # Another attempt would say goodbye again; the operator sees that the bot is still here.
            why = reason(error, message.get_bot().token)
            log.warning("chat not left", platform=PLATFORM, reason=why)


def _message(update: Update) -> Message:
    message = message_of(update)
    assert message is not None
    return message


async def _reply(update: Update, context: Context, text: str) -> None:
    await context.bot_data.sender.reply(_message(update), text)


def _is_from_operator(update: Update, context: Context) -> bool:
    return context.bot_data.services.access.is_operator(visitor_of(_message(update)))


async def _gets_every_photo(message: Message) -> bool:
    bot = message.get_bot()
    return bot.can_read_all_group_messages or await is_administrator(message, bot.id)
