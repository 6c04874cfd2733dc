"""Calls to Telegram that are tried again, replies in the right place, and "typing"."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

from telegram import (
    InlineKeyboardMarkup,
    LinkPreviewOptions,
    Message,
    MessageEntity,
    ReplyParameters,
)
from telegram.constants import ChatAction
from telegram.error import (
    BadRequest,
    ChatMigrated,
    Conflict,
    Forbidden,
    InvalidToken,
    RetryAfter,
    TelegramError,
)
from telegram.ext import AIORateLimiter
from tenacity import AsyncRetrying, retry_if_exception, stop_after_attempt, wait_exponential

from bot.store.chat_settings import ChatSettings

T = TypeVar("T")

TRIES = 4
RETRY_SECONDS = 0.5  # before the second try; then twice as long each time
LONGEST_FLOOD = 60.0  # seconds; a longer pause is the inbox's matter
FLOOD_MARGIN = 0.1  # seconds that clocks may differ
TYPING_SECONDS = 4.0  # Telegram shows it for five

# Trying again would change nothing, or is done by the rate limiter. BadRequest counts as a
# network error in the library.
FINAL = (BadRequest, ChatMigrated, Conflict, Forbidden, InvalidToken, RetryAfter)


def transient(error: BaseException) -> bool:
    """Say whether the same call may succeed a moment later."""
    return isinstance(error, TelegramError) and not isinstance(error, FINAL)


async def persistently(call: Callable[[], Awaitable[T]]) -> T:
    """Make a call, a few times if the network or the server fails."""

    async def once() -> T:  # what is tried must be a coroutine function, which a lambda is not
        return await call()

    retrying = AsyncRetrying(
        retry=retry_if_exception(transient),
        stop=stop_after_attempt(TRIES),
        wait=wait_exponential(RETRY_SECONDS),
        reraise=True,
    )
    return await retrying(once)


def pause_of(error: BaseException | None) -> float:
    """Return the seconds for which Telegram wants to be left alone after an error."""
    if not isinstance(error, RetryAfter):
        return 0.0
    wanted = error.retry_after
    return wanted.total_seconds() if isinstance(wanted, timedelta) else wanted


class _Flood(Exception):
    """Telegram wants a pause in one chat; the library would make one in all of them."""


class Limiter(AIORateLimiter):
    """Flood control of each chat by itself; "typing" takes nothing from what a group may get."""

    def __init__(self) -> None:
        """Start with no chat that must wait."""
        super().__init__()
        self._until: dict[object, float] = {}  # when a chat may be written to, on the loop's clock

    async def process_request(
        self,
        callback: Callable[..., Any],
        args: Any,
        kwargs: dict[str, Any],
        endpoint: str,
        data: dict[str, Any],
        rate_limit_args: int | None,
    ) -> Any:
        """Send at once, or when the limits allow it.

        Raises:
            RetryAfter: Telegram wants a pause that is longer than `LONGEST_FLOOD`.
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
    """Replies in the chat, and in the topic, of the message that asked."""

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
            asked: what is answered.
            text: what is said.
            quote: the message that is quoted, if it is another one.
            picture: a file to send with the text.
            buttons: under the answer.
            entities: how parts of the text look.

        Raises:
            TelegramError: Telegram refuses, or was not reached after a few tries.
        """

        async def send(chat: int, quoted: ReplyParameters | None) -> Message:
            place: dict[str, Any] = {
                "chat_id": chat,
                "reply_parameters": quoted,
                "message_thread_id": _topic(asked),
            }
            bot = asked.get_bot()
            if picture is not None:
                return await bot.send_photo(photo=picture, caption=text, **place)
            return await bot.send_message(
                text=text,
                entities=entities,
                reply_markup=buttons,
                link_preview_options=LinkPreviewOptions(is_disabled=True),
                **place,
            )

        quoted = ReplyParameters(
            (quote or asked).message_id, allow_sending_without_reply=True
        )  # it may be gone by now
        try:
            await persistently(lambda: send(asked.chat.id, quoted))
        except ChatMigrated as error:
            new = error.new_chat_id
            await self.chat_settings.move("telegram", asked.chat.id, new)
            await persistently(lambda: send(new, None))  # messages are numbered anew there


@asynccontextmanager
async def typing(asked: Message) -> AsyncIterator[None]:
    """Show that an answer is being made."""

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
    # Threads of replies in other groups have ids too, but no place to send to.
    return message.message_thread_id if message.is_topic_message else None
