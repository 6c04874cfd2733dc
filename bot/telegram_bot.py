"""Telegram: from the connection to the last reply."""

import asyncio
import hmac
import logging
import secrets
from collections.abc import Awaitable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from telegram import Bot, Update
from telegram.error import (
    BadRequest,
    Conflict,
    Forbidden,
    InvalidToken,
    RetryAfter,
    TelegramError,
)
from telegram.ext import Application, ApplicationBuilder, ContextTypes, SimpleUpdateProcessor
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, wait_exponential

from bot import logs, metrics
from bot.answers import Answers
from bot.chats import Chats
from bot.errors import PlatformError
from bot.settings import Settings
from bot.supervision import until_stopped
from bot.telegram_handlers import Handlers
from bot.telegram_sending import Limiter, transient

log = logging.getLogger(__name__)

App = Application[Any, Any, Any, Any, Any, Any]

UPDATES = ["message", "callback_query"]  # no edits, no channel posts
UPDATES_AT_ONCE = 256  # photos have a tighter bound; an album's messages wait for each other
FLOOD_RETRIES = 5
REPLY_SECONDS = 20.0  # that a server may take to answer a call
POLL_SECONDS = 30  # that a poll stays open
POLL_PAUSE, LONGEST_PAUSE = 1.0, 30.0  # seconds between polls that fail
SECRET_HEADER = "X-Telegram-Bot-Api-Secret-Token"


class InHand(SimpleUpdateProcessor):
    """The updates that are being handled, which can be dropped when time is up."""

    def __init__(self, most: int) -> None:
        """Handle so many at once."""
        super().__init__(most)
        self._tasks: set[asyncio.Task[Any]] = set()
        self._dropping = False

    async def do_process_update(self, update: object, coroutine: Awaitable[Any]) -> None:
        """Handle one."""
        if self._dropping:
            assert isinstance(coroutine, Coroutine)
            coroutine.close()
            return
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await coroutine
        finally:
            self._tasks.discard(task)

    def drop(self) -> None:
        """Leave all of them unfinished."""
        self._dropping = True
        for task in self._tasks:
            task.cancel()


@dataclass
class Telegram:
    """The bot on Telegram."""

    settings: Settings
    answers: Answers
    chats: Chats
    about: str
    _app: App | None = field(default=None, init=False)  # while a webhook may feed it
    _secret: str = field(default="", init=False)
    _offset: int = field(default=0, init=False)  # of the first update that was not taken

    async def run(self, stop: asyncio.Event) -> None:
        """Answer until `stop` is set, then send the replies in hand.

        Raises:
            PlatformError: Telegram cannot be reached, or refuses the token.
        """
        logs.hush()
        hands = InHand(UPDATES_AT_ONCE)
        app = self._application(hands)
        try:
            await app.initialize()
            handlers = Handlers(self.settings, self.answers, self.chats, self.about)
            handlers.add_to(app)
            app.add_error_handler(self._failed)
            await handlers.introduce(app.bot)
            await self._serve(app, hands, stop)
        except TelegramError as error:
            raise self._broken(error) from None  # the cause may name the token
        finally:
            metrics.PLATFORM_UP.labels("telegram").set(0)
            await app.bot.shutdown()

    async def check(self) -> str:
        """Verify the token, and say whom it belongs to.

        Raises:
            PlatformError: Telegram cannot be reached, or refuses the token.
        """
        logs.hush()
        try:
            async with Bot(self._token, *self._addresses) as bot:
                sees = "every message" if bot.can_read_all_group_messages else "what is for it"
                return f"Telegram: @{bot.username}, sees {sees} in groups"
        except TelegramError as error:
            raise self._broken(error) from None

    async def webhook(self, request: web.Request) -> web.Response:
        """Take an update that Telegram posts, if it knows the secret."""
        app = self._app
        if app is None:
            return web.Response(status=503)
        if not hmac.compare_digest(
            request.headers.get(SECRET_HEADER, "").encode(), self._secret.encode()
        ):
            return web.Response(status=403)
        try:
            update = Update.de_json(await request.json(), app.bot)
        except (KeyError, TypeError, ValueError, AttributeError):
            return web.Response(status=400)
        if self._app is not app:  # it stopped while the update was read
            return web.Response(status=503)
        await app.update_queue.put(update)
        return web.Response()

    @property
    def _token(self) -> str:
        assert self.settings.telegram_bot_token is not None
        return self.settings.telegram_bot_token.get_secret_value()

    @property
    def _addresses(self) -> tuple[str, str]:
        server = self.settings.telegram_api_url
        return f"{server}/bot", f"{server}/file/bot"

    def _application(self, hands: InHand) -> App:
        # Polling is our own: the library's ends unseen when the token is revoked, and sits out its
        # pause of up to half a minute when it is to stop.
        base, base_file = self._addresses
        return (
            ApplicationBuilder()
            .updater(None)
            .token(self._token)
            .base_url(base)
            .base_file_url(base_file)
            .rate_limiter(Limiter(max_retries=FLOOD_RETRIES))
            .concurrent_updates(hands)
            .read_timeout(REPLY_SECONDS)
            .build()
        )

    async def _serve(self, app: App, hands: InHand, stop: asyncio.Event) -> None:
        self._offset = 0
        await app.start()
        try:
            feed = self._listen if self.settings.telegram_webhook_url else self._poll
            broken = await _until(stop, feed(app))
            await app.update_queue.join()  # until the replies are sent
            if broken:
                raise broken
            await self._confirm(app)
        finally:
            hands.drop()  # there are none but after a cancellation
            await app.stop()

    async def _poll(self, app: App) -> None:
        await app.bot.delete_webhook()
        self._up(app)
        while True:
            retrying = AsyncRetrying(
                retry=retry_if_exception(lambda e: transient(e) or isinstance(e, RetryAfter)),
                wait=wait_exponential(POLL_PAUSE, max=LONGEST_PAUSE),
                before_sleep=self._lost,
                reraise=True,
            )
            updates: Sequence[Update] = await retrying(
                app.bot.get_updates,
                offset=self._offset,
                timeout=POLL_SECONDS,
                allowed_updates=UPDATES,
            )
            metrics.PLATFORM_UP.labels("telegram").set(1)
            for update in updates:
                await app.update_queue.put(update)
                self._offset = update.update_id + 1

    async def _listen(self, app: App) -> None:
        self._app, self._secret = app, secrets.token_urlsafe(32)
        try:
            await app.bot.set_webhook(
                f"{self.settings.telegram_webhook_url}/telegram",
                allowed_updates=UPDATES,
                secret_token=self._secret,
            )
            self._up(app)
            await asyncio.Event().wait()
        finally:
            self._app = None

    async def _confirm(self, app: App) -> None:
        # The next poll would do it; without it the last updates came again after a restart.
        if self._offset:
            try:
                await app.bot.get_updates(offset=self._offset, timeout=0, allowed_updates=UPDATES)
            except TelegramError as error:
                log.warning("Telegram: the last updates may come again (%s)", self._plain(error))

    def _up(self, app: App) -> None:
        metrics.PLATFORM_UP.labels("telegram").set(1)
        log.info("Telegram: @%s answers", app.bot.username)

    def _lost(self, state: RetryCallState) -> None:
        metrics.PLATFORM_UP.labels("telegram").set(0)
        assert state.outcome is not None
        error = self._plain(state.outcome.exception())
        pause = state.upcoming_sleep
        log.warning("Telegram: cannot be reached (%s); trying again in %.0f s", error, pause)

    async def _failed(self, update: object, context: ContextTypes.DEFAULT_TYPE) -> None:
        error = context.error
        if isinstance(error, Forbidden | BadRequest):  # removed from the chat, and the like
            log.info("Telegram: an answer was refused (%s)", self._plain(error))
        elif isinstance(error, TelegramError):
            log.warning("Telegram: an answer could not be sent (%s)", self._plain(error))
        else:
            log.error("Telegram: an update could not be answered", exc_info=error)

    def _broken(self, error: TelegramError) -> PlatformError:
        if isinstance(error, InvalidToken):
            reason = "the token is refused; set TELEGRAM_BOT_TOKEN to what @BotFather gave you"
        elif isinstance(error, Conflict):
            reason = "another process polls with the same token, or a webhook was set; stop it"
        elif isinstance(error, BadRequest) and "webhook" in error.message.lower():
            reason = f"TELEGRAM_WEBHOOK_URL is refused ({self._plain(error)})"
        else:
            where = self.settings.telegram_api_url
            reason = (
                f"{where} does not serve the bot ({self._plain(error)}); check the network and "
                "TELEGRAM_API_URL"
            )
        return PlatformError(f"Telegram: {reason}")

    def _plain(self, error: BaseException | None) -> str:
        return str(error).replace(self._token, "[token]")


async def _until(stop: asyncio.Event, feed: Coroutine[Any, Any, None]) -> BaseException | None:
    """Feed until `stop` is set; return what broke the feed before."""
    feeding = asyncio.create_task(feed)
    try:
        await until_stopped(feeding, stop)
    finally:
        feeding.cancel()
        await asyncio.wait({feeding})
    return None if feeding.cancelled() else feeding.exception()
