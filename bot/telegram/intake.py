"""From Telegram to the handlers: no update is confirmed before it is stored on the disk."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from functools import partial
from typing import Any

import structlog
from telegram import Bot, Message, Update
from telegram.ext import (
    Application,
    CallbackQueryHandler,
    CommandHandler,
    MessageHandler,
    SimpleUpdateProcessor,
    TypeHandler,
    filters,
)

from bot import languages
from bot.store.inbox import Hopeless, Inbox, NotYet
from bot.store.inbox_rows import InboxRow, Key
from bot.telegram import buttons, commands, language, messages
from bot.telegram.albums import ALBUM_SECONDS
from bot.telegram.errors import inbox_errors
from bot.telegram.identity import PLATFORM, is_private, key_of_message, message_of
from bot.telegram.photos import carries_file

log = structlog.stdlib.get_logger(__name__)


class _FromPerson(filters.MessageFilter):
    # Anonymous administrators, and those who write as a channel, have a placeholder bot as sender.
    def filter(self, message: Message) -> bool:
        sender = message.from_user
        return message.sender_chat is not None or not (sender and sender.is_bot)


NEW = filters.UpdateType.MESSAGE & _FromPerson()  # no edits, no channel posts, no other bots
ALSO_POSTS = NEW | filters.UpdateType.CHANNEL_POST
OTHERS_COMMAND = filters.COMMAND & ~filters.ChatType.PRIVATE


class App(Application[Any, Any, Any, Any, Any, Any]):
    """An application that raises the errors of its handlers, where the library would log them."""

    async def process_error(
        self, update: object, error: Exception, job: Any = None, coroutine: Any = None
    ) -> bool:
        """Raise a handler's error to whoever runs the handlers: the inbox."""
        if coroutine is None:
            raise error
        return await super().process_error(update, error, job, coroutine)  # a task's; it is logged


def add_handlers(app: App) -> None:
    """Register all handlers; the guard runs before the others."""
    app.add_handler(TypeHandler(Update, messages.guard), group=-1)
    app.add_handlers(
        [
            CommandHandler("start", commands.start, NEW),
            CommandHandler("help", commands.help_, NEW),
            CommandHandler("privacy", commands.privacy, NEW),
            CommandHandler("about", commands.about, NEW),
            CommandHandler("settings", commands.settings, ALSO_POSTS),
            CommandHandler("auto", commands.auto, ALSO_POSTS),
            CommandHandler("language", language.language, ALSO_POSTS),
            CommandHandler("caption", commands.caption, ALSO_POSTS),
            CommandHandler("stats", commands.stats, NEW),
            CommandHandler("leave", commands.leave, NEW),
            MessageHandler(NEW & filters.StatusUpdate.MIGRATE, messages.migrate),
            MessageHandler(
                ALSO_POSTS & ~filters.StatusUpdate.ALL & ~OTHERS_COMMAND, messages.receive
            ),
            CallbackQueryHandler(language.press, language.PRESSED),
            CallbackQueryHandler(buttons.press),
        ]
    )


def key_of(update: object) -> Key | None:
    """Return an update's key in the inbox; None if nobody waits for an answer to it."""
    if not isinstance(update, Update):
        return None
    if query := update.callback_query:
        chat = query.message.chat.id if query.message else 0
        return Key(PLATFORM, str(chat), f"press {query.id}")
    message = message_of(update)
    if message is None:
        return None
    # What people in a group say to each other is not recorded.
    asks = (
        is_private(message)
        or carries_file(message)
        or message.entities
        or message.reply_to_message
        or message.migrate_to_chat_id
        or message.migrate_from_chat_id
    )
    return key_of_message(message) if asks else None


def album_of(update: object) -> str | None:
    """Return the album that an update's message is a part of, if it is."""
    message = message_of(update) if isinstance(update, Update) else None
    return message.media_group_id if message else None


class UpdateQueue(asyncio.Queue[object]):
    """The queue that the library reads updates from; each is in the inbox before it is here."""

    def __init__(self, inbox: Inbox, max_updates: int) -> None:
        """Record updates in `inbox`, and hold up to `max_updates` of them in memory."""
        super().__init__()
        self.inbox = inbox
        self.room = asyncio.Semaphore(max_updates)

    async def put(self, item: object) -> None:
        """Record and queue an update, unless it was recorded before; wait while there is no room.

        Raises:
            DatabaseError: it cannot be recorded.
        """
        if not isinstance(item, Update):  # the library's signal to stop
            await super().put(item)
            return
        await self.room.acquire()
        try:
            key = key_of(item)
            new = key is None or await self.inbox.accept(key, item.to_dict(), album_of(item))
        except BaseException:
            self.room.release()
            raise
        if new:
            self.put_nowait(item)
        else:
            self.room.release()

    async def put_again(self, row: InboxRow, bot: Bot) -> None:
        """Queue an update that is due again."""
        await self.room.acquire()
        self.put_nowait(Update.de_json(row.reference, bot))

    async def fetch_album(self, message: Message) -> bool:
        """Queue what other bots left to this one; return whether any is of a message's album."""
        found = False

        async def again(row: InboxRow) -> None:
            nonlocal found
            await self.put_again(row, message.get_bot())
            same_chat = row.key.chat == str(message.chat.id)
            update = Update.de_json(row.reference, message.get_bot())
            found = found or (same_chat and album_of(update) == message.media_group_id)

        # There may be no room before this album is answered.
        with suppress(TimeoutError):
            async with asyncio.timeout(ALBUM_SECONDS):
                await self.inbox.hand_out(PLATFORM, again)
        return found

    def clear(self) -> None:
        """Return the updates that are still queued to the inbox."""
        while not self.empty():
            if key := key_of(self.get_nowait()):
                self.inbox.release(key)


class InboxProcessor(SimpleUpdateProcessor):
    """Runs the handlers of an update as one attempt of the inbox to answer it."""

    def __init__(
        self,
        queue: UpdateQueue,
        apologize: Callable[[Update], Awaitable[None]],
        language_of: Callable[[Update], Awaitable[str]],
        max_updates: int,
    ) -> None:
        """Process the updates of a queue.

        Args:
            queue: where they come from.
            apologize: tells a chat that one was given up.
            language_of: returns the language of all that is said about one.
            max_updates: how many are processed at once.
        """
        super().__init__(max_updates)
        self.queue, self.apologize, self.language_of = queue, apologize, language_of
        self._tasks: set[asyncio.Task[Any]] = set()
        self._dropping = False

    async def do_process_update(self, update: object, coroutine: Awaitable[Any]) -> None:
        """Run an update's handlers, which are the coroutine, unless all updates are dropped."""
        assert isinstance(update, Update)
        assert isinstance(coroutine, Coroutine)
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            with languages.speaking(await self.language_of(update)):
                await self._process(update, coroutine)
        finally:
            coroutine.close()
            if key := key_of(update):  # it may have been cancelled before it began
                self.queue.inbox.release(key)
            self._tasks.discard(task)
            self.queue.room.release()

    def drop(self) -> None:
        """Cancel all handlers; their updates stay open in the inbox."""
        self._dropping = True
        for task in self._tasks:
            task.cancel()

    async def _process(self, update: Update, handlers: Coroutine[Any, Any, Any]) -> None:
        key, inbox = key_of(update), self.queue.inbox
        answer = partial(_answer, handlers, update.get_bot().token)
        if self._dropping:
            if key:
                inbox.release(key)
        elif key:
            await inbox.handle(key, answer, partial(self.apologize, update))
        else:
            try:
                await answer()
            except (Hopeless, NotYet) as error:
                log.warning("update failed", platform=PLATFORM, reason=str(error))


async def _answer(handlers: Coroutine[Any, Any, Any], token: str) -> None:
    with inbox_errors(token):
        await handlers
