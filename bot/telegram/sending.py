"""Calls to Telegram: retries, flood control, replies, and "typing".

Telegram cannot tell that a message is sent again. So a call that may be made twice is repeated
while anything fails, and a message only if it surely did not arrive.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from telegram import (
    InlineKeyboardMarkup,
    LinkPreviewOptions,
    Message,
    MessageEntity,
    ReplyParameters,
)
from telegram.constants import ChatAction
from telegram.error import ChatMigrated, RetryAfter, TelegramError
from telegram.ext import AIORateLimiter
from tenacity import AsyncRetrying, retry_if_exception, stop_after_attempt, wait_exponential

from bot.store.chat_settings import ChatSettings
from bot.telegram.errors import MaybeSent, pause_of, transient, unsent
from bot.telegram.identity import PLATFORM, is_channel

T = TypeVar("T")

TRIES = 4
RETRY_SECONDS = 0.5  # before the second try; then twice as long each time
LONGEST_FLOOD = 60.0  # seconds; longer pauses are left to the inbox
FLOOD_MARGIN = 0.1  # seconds by which clocks may differ
TYPING_SECONDS = 4.0  # Telegram shows it for five
MAX_UNITS = 4096  # of a message's text


def units(text: str) -> int:
    """Return how long a text is for Telegram, which counts UTF-16 code units."""
    return len(text.encode("utf-16-le")) // 2


async def persistently(call: Callable[[], Awaitable[T]]) -> T:
    """Make a call that may be made twice; repeat it while the network or the server fails."""
    return await _repeatedly(call, transient)


async def send_once(send: Callable[[], Awaitable[T]]) -> T:
    """Send a message; repeat that only while Telegram surely does not get it.

    Raises:
        MaybeSent: it may have arrived.
        TelegramError: it did not arrive.
    """
    try:
        return await _repeatedly(send, unsent)
    except TelegramError as error:
        if transient(error) and not unsent(error):
            raise MaybeSent(error.message) from error
        raise


async def _repeatedly(
    call: Callable[[], Awaitable[T]], passing: Callable[[BaseException], bool]
) -> T:
    async def once() -> T:  # tenacity takes coroutine functions, and a lambda is not one
        return await call()

    retrying = AsyncRetrying(
        retry=retry_if_exception(passing),
        stop=stop_after_attempt(TRIES),
        wait=wait_exponential(RETRY_SECONDS),
        reraise=True,
    )
    return await retrying(once)


class _Flood(Exception):
    """Telegram wants a pause in one chat; the library would pause in all of them."""


class Limiter(AIORateLimiter):
    """Flood control for each chat; "typing" does not count towards a group's limit."""

    def __init__(self) -> None:
        """Start with no chat that must wait."""
        super().__init__()
        self._until: dict[object, float] = {}  # when a chat's pause ends, on the loop's clock

    async def process_request(
        self,
        callback: Callable[..., Any],
        args: Any,
        kwargs: dict[str, Any],
        endpoint: str,
        data: dict[str, Any],
        rate_limit_args: int | None,
    ) -> Any:
        """Send at once, or as soon as the limits allow.

        Raises:
            RetryAfter: Telegram wants a pause longer than `LONGEST_FLOOD`.
        """
        if endpoint == "sendChatAction":
            return await callback(*args, **kwargs)
        loop, chat = asyncio.get_running_loop(), data.get("chat_id")

        async def call(*args: Any, **kwargs: Any) -> Any:
            try:
                return await callback(*args, **kwargs)
            except RetryAfter as error:
                raise _Flood from error

        while True:
            while (pause := self._until.get(chat, 0.0) - loop.time()) > 0:
                await asyncio.sleep(pause)
            self._until.pop(chat, None)
            try:
                return await super().process_request(
                    call, args, kwargs, endpoint, data, rate_limit_args
                )
            except _Flood as flood:
                error = flood.__cause__
                pause = pause_of(error)
                if chat is None or pause > LONGEST_FLOOD:
                    assert error is not None
                    raise error from None
                self._until[chat] = loop.time() + pause + FLOOD_MARGIN


@dataclass(frozen=True)
class Sender:
    """Replies in the chat and the topic of the message that asked."""

    chat_settings: ChatSettings

    async def reply(
        self,
        asked: Message,
        text: str,
        *,
        quote: Message | None = None,
        picture: bytes | None = None,
        buttons: InlineKeyboardMarkup | None = None,
        entities: Sequence[MessageEntity] = (),
    ) -> None:
        """Answer a message, without parsing any markup.

        Args:
            asked: the message to answer.
            text: the answer.
            quote: the message to quote, if not `asked`.
            picture: the bytes of an image to send with the text.
            buttons: shown under the answer.
            entities: formatting of parts of the text.

        Raises:
            MaybeSent: the answer may have arrived.
            TelegramError: Telegram refuses, or a few tries did not reach it.
        """

        async def send(chat: int, quoted: ReplyParameters | None) -> Message:
            where: dict[str, Any] = {
                "chat_id": chat,
                "reply_parameters": quoted,
                "message_thread_id": _topic(asked),
                "disable_notification": is_channel(asked),  # its readers were told of the post
            }
            bot = asked.get_bot()
            if picture is not None:
                return await bot.send_photo(photo=picture, caption=text, **where)
            return await bot.send_message(
                text=text,
                entities=entities,
                reply_markup=buttons,
                link_preview_options=LinkPreviewOptions(is_disabled=True),
                **where,
            )

        # The quoted message may be deleted by now.
        quoted = ReplyParameters((quote or asked).message_id, allow_sending_without_reply=True)
        try:
            await send_once(lambda: send(asked.chat.id, quoted))
        except ChatMigrated as error:
            new = error.new_chat_id
            await self.chat_settings.move(PLATFORM, asked.chat.id, new)
            await send_once(lambda: send(new, None))  # message ids start again there


@asynccontextmanager
async def typing(asked: Message) -> AsyncIterator[None]:
    """Show "typing" in the chat until the context ends; channels do not have it."""
    if is_channel(asked):
        yield
        return

    async def show() -> None:
        while True:
            with suppress(TelegramError):
                await asked.get_bot().send_chat_action(
                    asked.chat.id, ChatAction.TYPING, message_thread_id=_topic(asked)
                )
            await asyncio.sleep(TYPING_SECONDS)

    showing = asyncio.create_task(show())
    try:
        yield
    finally:
        showing.cancel()
        await asyncio.wait({showing})


def _topic(message: Message) -> int | None:
    # A thread of replies outside topics has an id too, but nothing can be sent to it.
    return message.message_thread_id if message.is_topic_message else None
