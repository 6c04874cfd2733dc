"""Who asks on Telegram, where, and whether it is the bot that they ask."""

from telegram import CallbackQuery, Message, MessageEntity
from telegram.constants import ChatType

from bot.access import Visitor
from bot.telegram.photos import carries_file

MENTIONS: list[str | None] = [
    MessageEntity.MENTION,
    MessageEntity.TEXT_MENTION,
    MessageEntity.BOT_COMMAND,
]


def visitor_of(asked: Message | CallbackQuery) -> Visitor:
    """Return who sent a message or pressed a button."""
    if isinstance(asked, CallbackQuery):
        place = asked.message.chat.id if asked.message else asked.from_user.id
        return Visitor("telegram", asked.from_user.id, place)
    # Channels, and administrators who stay anonymous, write as a chat.
    sender = asked.sender_chat or asked.from_user or asked.chat
    return Visitor("telegram", sender.id, asked.chat.id)


def is_private(message: Message) -> bool:
    """Say whether nobody but a person and the bot is there."""
    return message.chat.type == ChatType.PRIVATE


def addresses_bot(message: Message) -> bool:
    """Say whether a message replies to the bot, or is a picture that mentions it."""
    replied = message.reply_to_message
    # In a topic that the bot opened, every message replies to that service message of the bot's.
    to_bot = (
        replied is not None
        and replied.from_user is not None
        and replied.from_user.id == message.get_bot().id
        and replied.forum_topic_created is None
    )
    return to_bot or (carries_file(message) and mentions_bot(message))


def mentions_bot(message: Message) -> bool:
    """Say whether a message, or a picture's caption, names the bot."""
    bot = message.get_bot()
    name = f"@{bot.username}".lower()
    named = (name, "/caption", f"/caption{name}")  # the command stands in a photo's own caption
    parse = message.parse_caption_entities if message.caption else message.parse_entities
    found = parse(MENTIONS) if message.caption or message.text else {}
    return any(
        (entity.user and entity.user.id == bot.id) or text.lower() in named
        for entity, text in found.items()
    )
