"""Who asks on Telegram, where, and whether they ask the bot."""

from telegram import CallbackQuery, Message, MessageEntity, Update
from telegram.constants import ChatType

from bot.access import Visitor
from bot.platforms import TELEGRAM
from bot.store.inbox_rows import Key

PLATFORM = TELEGRAM
MENTIONS: list[str | None] = [
    MessageEntity.MENTION,
    MessageEntity.TEXT_MENTION,
    MessageEntity.BOT_COMMAND,
]


def message_of(update: Update) -> Message | None:
    """Return an update's new message, in a chat or a channel."""
    return update.message or update.channel_post


def key_of_message(message: Message) -> Key:
    """Return a message's key in the inbox."""
    return Key(PLATFORM, str(message.chat.id), str(message.message_id))


def visitor_of(asked: Message | CallbackQuery) -> Visitor:
    """Return who sent a message or pressed a button."""
    if isinstance(asked, CallbackQuery):
        chat = asked.message.chat.id if asked.message else asked.from_user.id
        return Visitor(PLATFORM, asked.from_user.id, chat)
    # Channels and anonymous administrators write as a chat.
    sender = asked.sender_chat or asked.from_user or asked.chat
    return Visitor(PLATFORM, sender.id, asked.chat.id)


def is_private(message: Message) -> bool:
    """Return whether a message is in a private chat of one person with the bot."""
    return message.chat.type == ChatType.PRIVATE


def is_channel(message: Message) -> bool:
    """Return whether a message is a post in a channel; only its administrators can post."""
    return message.chat.type == ChatType.CHANNEL


def replies_to_bot(message: Message) -> bool:
    """Return whether a message replies to one of the bot's."""
    replied = message.reply_to_message
    # In a topic that the bot opened, every message replies to the bot's service message.
    return (
        replied is not None
        and replied.from_user is not None
        and replied.from_user.id == message.get_bot().id
        and replied.forum_topic_created is None
    )


def mentions_bot(message: Message) -> bool:
    """Return whether a message, or the caption of its photo, mentions the bot."""
    bot = message.get_bot()
    name = f"@{bot.username}".lower()
    names = (name, "/caption", f"/caption{name}")  # the command may be a photo's caption
    parse = message.parse_caption_entities if message.caption else message.parse_entities
    entities = parse(MENTIONS) if message.caption or message.text else {}
    return any(
        (entity.user and entity.user.id == bot.id) or text.lower() in names
        for entity, text in entities.items()
    )
