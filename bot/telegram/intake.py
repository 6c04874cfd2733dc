"""Between Telegram and its handlers: no update is confirmed before it is on the disk."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from telegram import Bot, Update
from telegram.ext import SimpleUpdateProcessor

from bot.store.inbox import Inbox
from bot.store.inbox_rows import InboxRow, Key
from bot.telegram.photos import carries_file

PLATFORM = "telegram"


def key_of(update: object) -> Key | None:
    """Return what an update is known by; None if nobody waits for an answer to it."""
    if not isinstance(update, Update):
        return None
    if query := update.callback_query:
        chat = query.message.chat.id if query.message else 0
        return Key(PLATFORM, str(chat), f"press {query.id}")
    message = update.message
    if message is None:
        return None
    # What people in a group say to each other is not written down.
    asks = (
        message.chat.type == message.chat.PRIVATE
        or carries_file(message)
        or message.entities
        or message.reply_to_message
        or message.migrate_to_chat_id
        or message.migrate_from_chat_id
    )
    return Key(PLATFORM, str(message.chat.id), str(message.message_id)) if asks else None


class Updates(asyncio.Queue[object]):
    """The queue from which the library takes updates; what was put is not lost any more."""

    def __init__(self, inbox: Inbox, most: int) -> None:
        """Record updates in the inbox, and have so many in memory at once."""
        super().__init__()
        self.inbox = inbox
        self.room = asyncio.Semaphore(most)

    async def put(self, item: object) -> None:
        """Record an update and queue it, unless it was recorded before; wait while it is full."""
        if not isinstance(item, Update):  # the library's word that the application stops
            await super().put(item)
            return
        await self.room.acquire()
        try:
            key = key_of(item)
            new = key is None or await self.inbox.accept(key, item.to_dict())
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

    def leave(self) -> None:
        """Give what nobody has begun with back to the inbox."""
        while not self.empty():
            if key := key_of(self.get_nowait()):
                self.inbox.release(key)


class InHand(SimpleUpdateProcessor):
    """Handles updates through the inbox; all can be dropped when time is up."""

    def __init__(
        self,
        updates: Updates,
        apologize: Callable[[Update], Awaitable[None]],
        most: int,
    ) -> None:
        """Take the queue that they come from, and how it is said that one is given up."""
        super().__init__(most)
        self.updates, self.apologize = updates, apologize
        self._failures: dict[int, Exception] = {}  # by the update's id
        self._tasks: set[asyncio.Task[Any]] = set()
        self._dropping = False

    def failed(self, update: Update, error: Exception) -> None:
        """Note why handling an update failed; the library keeps it to its error handlers."""
        self._failures[update.update_id] = error

    async def do_process_update(self, update: object, coroutine: Awaitable[Any]) -> None:
        """Handle one."""
        assert isinstance(update, Update)
        assert isinstance(coroutine, Coroutine)
        key = key_of(update)
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)

        async def answer() -> None:
            await coroutine
            if error := self._failures.pop(update.update_id, None):
                raise error

        async def apologize() -> None:
            await self.apologize(update)

        try:
            if self._dropping:
                if key:
                    self.updates.inbox.release(key)
            elif key:
                await self.updates.inbox.handle(key, answer, apologize)
            else:
                await coroutine
        finally:
            coroutine.close()
            self._failures.pop(update.update_id, None)
            self._tasks.discard(task)
            self.updates.room.release()

    def drop(self) -> None:
        """Leave all of them unfinished; they stay in the inbox."""
        self._dropping = True
        for task in self._tasks:
            task.cancel()
