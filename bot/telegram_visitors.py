"""Who asks on Telegram, and where."""

from telegram import CallbackQuery, Message

from bot.door import Visitor


def visitor_of(asked: Message | CallbackQuery) -> Visitor:
    """Return who sent a message or pressed a button."""
    if isinstance(asked, CallbackQuery):
        place = asked.message.chat.id if asked.message else asked.from_user.id
        return Visitor("telegram", asked.from_user.id, place)
    # Channels, and administrators who stay anonymous, write as a chat.
    sender = asked.sender_chat or asked.from_user or asked.chat
    return Visitor("telegram", sender.id, asked.chat.id)
