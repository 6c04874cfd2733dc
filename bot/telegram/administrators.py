"""Who may change the settings of a group or channel: its administrators."""

from telegram import Message
from telegram.constants import ChatMemberStatus
from telegram.error import BadRequest, Forbidden

from bot.telegram.sending import persistently


async def is_from_administrator(message: Message) -> bool:
    """Return whether an administrator sent a message.

    Raises:
        TelegramError: Telegram cannot be asked now.
    """
    if message.sender_chat:
        # Anonymous ones write as the group, and those of a channel as the channel.
        return message.sender_chat.id == message.chat.id
    person = message.from_user
    return person is not None and await is_administrator(message, person.id)


async def is_administrator(message: Message, person: int) -> bool:
    """Return whether a person is an administrator where a message is.

    Raises:
        TelegramError: Telegram cannot be asked now.
    """
    try:
        member = await persistently(
            lambda: message.get_bot().get_chat_member(message.chat.id, person)
        )
    except (BadRequest, Forbidden):
        return False
    return member.status in (ChatMemberStatus.OWNER, ChatMemberStatus.ADMINISTRATOR)
