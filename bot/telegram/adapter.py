"""Telegram: from the connection to the last reply."""

import asyncio
import hmac
import logging
import secrets
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field
from functools import partial
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
from telegram.ext import Application, ApplicationBuilder, ContextTypes
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, wait_exponential

from bot import logs, metrics
from bot.errors import PlatformError
from bot.services import Services
from bot.store.inbox import Hopeless, NotYet
from bot.supervision import until_stopped
from bot.telegram.intake import PLATFORM, InHand, Updates, key_of
from bot.telegram.messages import Handlers
from bot.telegram.sending import Limiter, pause_of, transient

log = logging.getLogger(__name__)

App = Application[Any, Any, Any, Any, Any, Any]

UPDATES = ["message", "callback_query"]  # no edits, no channel posts
UPDATES_AT_ONCE = 256  # photos have a tighter bound; an album's messages wait for each other
REPLY_SECONDS = 20.0  # that a server may take to answer a call
POLL_SECONDS = 30  # that a poll stays open
POLL_PAUSE, LONGEST_PAUSE = 1.0, 30.0  # seconds between polls that fail
SECRET_HEADER = "X-Telegram-Bot-Api-Secret-Token"


@dataclass
class Telegram:
    """The bot on Telegram."""

    services: Services
    _app: App | None = field(default=None, init=False)  # while a webhook may feed it
    _secret: str = field(default="", init=False)
    _offset: int = field(default=0, init=False)  # of the first update that was not taken

    async def run(self, stop: asyncio.Event) -> None:
        """Answer until `stop` is set, then send the replies in hand.

        Raises:
            PlatformError: Telegram cannot be reached, or refuses the token.
        """
        logs.hush()
        handlers = Handlers(self.services)
        updates = Updates(self.services.inbox, UPDATES_AT_ONCE)
        hands = InHand(updates, handlers.apologize, UPDATES_AT_ONCE)
        app = self._application(updates, hands)
        try:
            await app.initialize()
            handlers.add_to(app)
            app.add_error_handler(partial(self._failed, hands))
            await handlers.introduce(app.bot)
            await self._serve(app, updates, hands, stop)
        except TelegramError as error:
            raise self._broken(error) from None  # the cause may name the token
        finally:
            metrics.PLATFORM_UP.labels(PLATFORM).set(0)
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
            async with asyncio.timeout(REPLY_SECONDS):
                update = Update.de_json(await request.json(), app.bot)
        except (KeyError, TypeError, ValueError, AttributeError):
            return web.Response(status=400)
        except TimeoutError:
            return web.Response(status=408)
        if self._app is not app:  # it stopped while the update was read
            return web.Response(status=503)
        await app.update_queue.put(update)
        return web.Response()

    @property
    def _token(self) -> str:
        assert self.services.settings.telegram_bot_token is not None
        return self.services.settings.telegram_bot_token.get_secret_value()

    @property
    def _addresses(self) -> tuple[str, str]:
        server = self.services.settings.telegram_api_url
        return f"{server}/bot", f"{server}/file/bot"

    def _application(self, updates: Updates, hands: InHand) -> App:
        # Polling is our own: the library's ends unseen when the token is revoked, and sits out its
        # pause of up to half a minute when it is to stop.
        base, base_file = self._addresses
        return (
            ApplicationBuilder()
            .updater(None)
            .update_queue(updates)
            .token(self._token)
            .base_url(base)
            .base_file_url(base_file)
            .rate_limiter(Limiter())
            .concurrent_updates(hands)
            .read_timeout(REPLY_SECONDS)
            .build()
        )

    async def _serve(self, app: App, updates: Updates, hands: InHand, stop: asyncio.Event) -> None:
        self._offset = 0
        await app.start()
        try:
            feed = self._listen if self.services.settings.telegram_webhook_url else self._poll
            resume = self.services.inbox.resume(
                PLATFORM, lambda row: updates.put_again(row, app.bot)
            )
            broken = await _until(stop, resume, feed(app))
            await updates.join()  # until the replies are sent
            if broken:
                raise broken
            await self._confirm(app)
        finally:
            hands.drop()  # there are none but after a cancellation
            updates.leave()
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
            metrics.PLATFORM_UP.labels(PLATFORM).set(1)
            for update in updates:
                await app.update_queue.put(update)
                self._offset = update.update_id + 1

    async def _listen(self, app: App) -> None:
        self._app, self._secret = app, secrets.token_urlsafe(32)
        try:
            await app.bot.set_webhook(
                f"{self.services.settings.telegram_webhook_url}/telegram",
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
        metrics.PLATFORM_UP.labels(PLATFORM).set(1)
        log.info("Telegram: @%s answers", app.bot.username)

    def _lost(self, state: RetryCallState) -> None:
        metrics.PLATFORM_UP.labels(PLATFORM).set(0)
        assert state.outcome is not None
        error = self._plain(state.outcome.exception())
        pause = state.upcoming_sleep
        log.warning("Telegram: cannot be reached (%s); trying again in %.0f s", error, pause)

    async def _failed(
        self, hands: InHand, update: object, context: ContextTypes.DEFAULT_TYPE
    ) -> None:
        error = context.error
        if not isinstance(error, TelegramError):
            log.error("Telegram: an update could not be answered", exc_info=error)
            failure: Exception = Hopeless("a fault of the bot", apologize=True)
        else:
            metrics.ERRORS.labels(PLATFORM, "undelivered").inc()
            failure = self._judged(error)
        if key_of(update) is None:
            log.warning("Telegram: an answer could not be sent (%s)", failure)
        elif isinstance(update, Update):
            hands.failed(update, failure)

    def _judged(self, error: TelegramError) -> Hopeless | NotYet:
        if isinstance(error, Forbidden | BadRequest):  # removed from the chat, and the like
            return Hopeless(f"Telegram refuses: {self._plain(error)}")
        return NotYet(self._plain(error), pause_of(error))

    def _broken(self, error: TelegramError) -> PlatformError:
        if isinstance(error, InvalidToken):
            reason = "the token is refused; set TELEGRAM_BOT_TOKEN to what @BotFather gave you"
        elif isinstance(error, Conflict):
            reason = "another process polls with the same token, or a webhook was set; stop it"
        elif isinstance(error, BadRequest) and "webhook" in error.message.lower():
            reason = f"TELEGRAM_WEBHOOK_URL is refused ({self._plain(error)})"
        else:
            where = self.services.settings.telegram_api_url
            reason = (
                f"{where} does not serve the bot ({self._plain(error)}); check the network and "
                "TELEGRAM_API_URL"
            )
        return PlatformError(f"Telegram: {reason}")

    def _plain(self, error: BaseException | None) -> str:
        return str(error).replace(self._token, "[token]")


async def _until(stop: asyncio.Event, *feeds: Coroutine[Any, Any, None]) -> BaseException | None:
    """Feed until `stop` is set; return what broke a feed before."""
    tasks = [asyncio.create_task(feed) for feed in feeds]
    first = asyncio.ensure_future(asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED))
    try:
        await until_stopped(first, stop)
    finally:
        for task in (first, *tasks):
            task.cancel()
        await asyncio.wait(tasks)
    return next((task.exception() for task in tasks if not task.cancelled()), None)
