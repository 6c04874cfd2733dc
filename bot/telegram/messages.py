"""What the bot does with each message and command on Telegram."""

import asyncio
from collections import deque
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from telegram import (
    BotCommand,
    BotCommandScopeAllGroupChats,
    Message,
    Update,
)
from telegram.constants import ChatMemberStatus
from telegram.error import BadRequest, Forbidden
from telegram.ext import (
    Application,
    CallbackQueryHandler,
    CommandHandler,
    ContextTypes,
    ExtBot,
    MessageHandler,
    TypeHandler,
    filters,
)

from bot import metrics, replies
from bot.answers import Answer
from bot.services import Services
from bot.telegram.buttons import Buttons, buttons_under
from bot.telegram.commands import Operators
from bot.telegram.identity import addresses_bot, is_private, mentions_bot, visitor_of
from bot.telegram.photos import Albums, NoPicture, Photos, carries_file, carries_photo
from bot.telegram.sending import Sender, persistently, typing

Context = ContextTypes.DEFAULT_TYPE


class _FromPerson(filters.MessageFilter):
    # Anonymous administrators, and those who write as a channel, come with a placeholder bot.
    def filter(self, message: Message) -> bool:
        sender = message.from_user
        return message.sender_chat is not None or not (sender and sender.is_bot)


NEW = filters.UpdateType.MESSAGE & _FromPerson()  # neither edited, nor a channel's, nor a bot's
BACKLOG = timedelta(minutes=1)  # older messages were sent while nobody listened
SORRY_ALBUMS = 100  # of which it is known that an apology was sent
OTHERS_COMMAND = filters.COMMAND & ~filters.ChatType.PRIVATE


class Handlers:
    """One chat's events become its answers; nothing is kept but what `ChatSettings` keeps."""

    def __init__(self, services: Services) -> None:
        """Take what every answer needs."""
        self.settings, self.answers = services.settings, services.answers
        self.chat_settings, self.access = services.chat_settings, services.access
        self.sender = Sender(services.chat_settings)
        self.operators = Operators(self.access, self.sender, services.stats)
        self.albums = Albums()
        self.said = {
            "start": replies.START,
            "help": replies.help_text(replies.TELEGRAM_GROUP_HELP),
            "privacy": replies.PRIVACY,
            "about": services.about,
        }
        self.photos = Photos(self.settings.max_photo_mb)
        self.buttons = Buttons(self.answers, self.photos, self.sender, self.access)
        self._sorry: deque[tuple[int, str]] = deque(maxlen=SORRY_ALBUMS)

    def add_to(self, app: Application[Any, Any, Any, Any, Any, Any]) -> None:
        """Have an application call them."""
        app.add_handler(TypeHandler(Update, self.operators.guard), group=-1)
        app.add_handlers(
            [
                CommandHandler(self.said.keys(), self.say, NEW),
                CommandHandler("settings", self.show_settings, NEW),
                CommandHandler("auto", self.switch_auto, NEW),
                CommandHandler("caption", self.caption_replied, NEW),
                CommandHandler("stats", self.operators.show_stats, NEW),
                CommandHandler("leave", self.operators.leave, NEW),
                MessageHandler(NEW & filters.StatusUpdate.MIGRATE, self.move),
                MessageHandler(NEW & ~filters.StatusUpdate.ALL & ~OTHERS_COMMAND, self.hear),
                CallbackQueryHandler(self.buttons.press),
            ]
        )

    async def introduce(self, bot: ExtBot[Any]) -> None:
        """Have the commands shown in Telegram's menu; /auto where it means something."""
        commands = [BotCommand(name, text) for name, text in replies.COMMANDS.items()]
        alone = [command for command in commands if command.command != "auto"]
        await bot.set_my_commands(alone)
        await bot.set_my_commands(commands, BotCommandScopeAllGroupChats())

    async def apologize(self, update: Update) -> None:
        """Say that a message is given up, once for all of an album."""
        message = update.message
        if message is None:  # a button can be pressed again
            return
        album = (message.chat.id, message.media_group_id or str(message.message_id))
        if album not in self._sorry:
            self._sorry.append(album)
            await self.sender.reply(message, replies.GIVEN_UP)

    async def say(self, update: Update, context: Context) -> None:
        """Answer a command that is always answered alike."""
        message = _message(update)
        name = (message.text or "").removeprefix("/").split()[0].partition("@")[0]
        await self.sender.reply(message, self.said[name.lower()])

    async def show_settings(self, update: Update, context: Context) -> None:
        """Say what is set in this chat."""
        message = _message(update)
        text = replies.settings(
            auto=await self.chat_settings.auto("telegram", message.chat.id),
            private=is_private(message),
            max_mb=self.settings.max_photo_mb,
            max_photos=self.settings.max_photos,
        )
        await self.sender.reply(message, text)

    async def switch_auto(self, update: Update, context: Context) -> None:
        """Caption every photo of a group or not, if an administrator wants it."""
        message = _message(update)
        on = {"on": True, "off": False}.get(" ".join(context.args or []).lower())
        if is_private(message):
            text = replies.AUTO_PRIVATE
        elif on is None:
            text = replies.AUTO_USAGE
        elif not await _by_administrator(message):
            text = replies.AUTO_ADMINS
        else:
            await self.chat_settings.set_auto("telegram", message.chat.id, on)
            text = replies.AUTO_ON if on else replies.AUTO_OFF
            if on and not await _sees_every_photo(message):
                text += f"\n\n{replies.TELEGRAM_PRIVACY_MODE}"
        await self.sender.reply(message, text)

    async def move(self, update: Update, context: Context) -> None:
        """Take a group's settings along when it becomes a supergroup."""
        message = _message(update)
        old = message.migrate_from_chat_id or message.chat.id
        new = message.migrate_to_chat_id or message.chat.id
        await self.chat_settings.move("telegram", old, new)

    async def caption_replied(self, update: Update, context: Context) -> None:
        """Caption the photo to which /caption replies."""
        message = _message(update)
        target = message.reply_to_message
        if target and carries_file(target):
            await self._caption([target], asked=message)
        else:
            await self.sender.reply(message, replies.NEEDS_PHOTO)

    async def hear(self, update: Update, context: Context) -> None:
        """Caption a photo or an album, if the chat is private or the bot is asked."""
        async with self.albums.whole(_message(update)) as album:
            if album:
                await self._hear(album)

    async def _hear(self, album: Sequence[Message]) -> None:
        first, target = album[0], album[0].reply_to_message
        if is_private(first) or any(addresses_bot(message) for message in album):
            wanted = [message for message in album if carries_file(message)]
            if wanted:
                await self._caption(wanted, asked=first)
            else:
                await self.sender.reply(first, replies.HINT)
        elif mentions_bot(first) and target and carries_file(target):
            await self._caption([target], asked=first)
        else:
            photos = [message for message in album if carries_photo(message)]
            if photos and await self.chat_settings.auto("telegram", first.chat.id):
                await self._caption(photos, asked=photos[0])

    async def _caption(self, messages: Sequence[Message], asked: Message) -> None:
        chosen = messages[: self.settings.max_photos]
        # Nobody is held to a rate for what waited while the bot was away.
        fresh = datetime.now(UTC) - asked.date < BACKLOG
        refusal = self.access.refuse(visitor_of(asked), len(chosen) if fresh else 0)
        if refusal:
            if refusal.text:
                await self.sender.reply(asked, refusal.text)
            return
        async with typing(asked):
            answers = await asyncio.gather(*(self._look(message) for message in chosen))
        if len(messages) > 1:
            text = replies.album([answer.text for answer in answers], len(messages) - len(chosen))
            await self.sender.reply(asked, text)
            return
        # Buttons find the photo through the message that is quoted.
        buttons = buttons_under(1) if answers[0].caption else None
        await self.sender.reply(asked, answers[0].text, quote=chosen[0], buttons=buttons)

    async def _look(self, message: Message) -> Answer:
        try:
            async with self.photos.of(message) as photo:
                return await self.answers.first(photo)
        except NoPicture as error:
            metrics.refused(self.answers.platform, error.kind)
            return Answer(str(error), problem=error.kind)


def _message(update: Update) -> Message:
    assert update.message is not None
    return update.message


async def _by_administrator(message: Message) -> bool:
    if message.sender_chat:
        return message.sender_chat.id == message.chat.id  # anonymous ones write as the group
    person = message.from_user
    return person is not None and await _is_administrator(message, person.id)


async def _sees_every_photo(message: Message) -> bool:
    bot = message.get_bot()
    return bot.can_read_all_group_messages or await _is_administrator(message, bot.id)


async def _is_administrator(message: Message, person: int) -> bool:
    try:
        member = await persistently(
            lambda: message.get_bot().get_chat_member(message.chat.id, person)
        )
    except (BadRequest, Forbidden):
        return False
    return member.status in (ChatMemberStatus.OWNER, ChatMemberStatus.ADMINISTRATOR)
