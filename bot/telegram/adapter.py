"""The adapter for Telegram: its connection, from the token to the last reply."""

import asyncio
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import structlog
from aiohttp import web
from telegram import Bot, Update
from telegram.error import RetryAfter, TelegramError
from telegram.ext import ApplicationBuilder
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, wait_exponential

from bot import logs, metrics
from bot.services import Services
from bot.store.errors import DatabaseError
from bot.supervision import until_stopped
from bot.telegram.context import Shared
from bot.telegram.errors import platform_errors, reason, transient
from bot.telegram.identity import PLATFORM
from bot.telegram.intake import App, InboxProcessor, UpdateQueue, add_handlers
from bot.telegram.language import language_of
from bot.telegram.menu import show_menu
from bot.telegram.messages import Apologies
from bot.telegram.sending import Limiter
from bot.telegram.webhook import from_telegram, set_webhook

log = structlog.stdlib.get_logger(__name__)

UPDATES = ["message", "channel_post", "callback_query"]  # no edits
UPDATES_AT_ONCE = 256  # photos have a tighter bound; an album's messages wait for each other
REPLY_SECONDS = 20.0  # how long a server may take to answer a call
POLL_SECONDS = 30  # how long a poll stays open
POLL_PAUSE, LONGEST_PAUSE = 1.0, 30.0  # seconds between polls that fail
LOST_PAUSE = 5.0  # seconds before a shared database that is lost is tried again


@dataclass
class Telegram:
    """The bot on Telegram."""

    services: Services
    _app: App | None = field(default=None, init=False)  # while it accepts webhook calls
    _offset: int = field(default=0, init=False)  # id of the first update not yet fetched

    async def run(self, stop: asyncio.Event) -> None:
        """Answer until `stop` is set, then send the replies in flight.

        Raises:
            PlatformError: Telegram cannot be reached, or refuses.
        """
        logs.hush()
        shared = Shared.of(self.services)
        queue = UpdateQueue(self.services.inbox, UPDATES_AT_ONCE)
        if self.services.inbox.shared:  # other bots may get messages of an album
            shared.albums.fetch = queue.fetch_album
        speaks = partial(language_of, chat_settings=self.services.chat_settings)
        apologize = Apologies(shared.sender).send
        processor = InboxProcessor(queue, apologize, speaks, UPDATES_AT_ONCE)
        app = self._application(queue, processor)
        app.bot_data = shared
        add_handlers(app)
        try:
            with platform_errors(self._token, self._server):
                await app.initialize()
                await show_menu(app.bot)
                await self._serve(app, queue, processor, stop)
        finally:
            metrics.PLATFORM_UP.labels(PLATFORM).set(0)
            await app.bot.shutdown()

    async def check(self) -> str:
        """Verify the token; return the bot's name, and which messages it gets.

        Raises:
            PlatformError: Telegram cannot be reached, or refuses.
        """
        logs.hush()
        with platform_errors(self._token, self._server):
            async with Bot(self._token, *self._addresses) as bot:
                every = bot.can_read_all_group_messages
                return (
                    f"Telegram: @{bot.username}; in groups it gets "
                    f"{'every message' if every else 'only messages to it'}"
                )

    async def webhook(self, request: web.Request) -> web.Response:
        """Accept an update, if the request holds the secret that only Telegram knows."""
        app = self._app
        if app is None:
            return web.Response(status=503)
        if not from_telegram(request, self._token):
            return web.Response(status=403)
        try:
            async with asyncio.timeout(REPLY_SECONDS):
                update = Update.de_json(await request.json(), app.bot)
        except (KeyError, TypeError, ValueError, AttributeError):
            return web.Response(status=400)
        except TimeoutError:
            return web.Response(status=408)
        if self._app is not app:  # the bot stopped while the update was read
            return web.Response(status=503)
        try:
            await app.update_queue.put(update)
        except DatabaseError as error:  # Telegram sends the update again
            log.error("update not accepted", platform=PLATFORM, reason=str(error))
            return web.Response(status=503)
        return web.Response()

    @property
    def _token(self) -> str:
        assert self.services.settings.telegram_bot_token is not None
        return self.services.settings.telegram_bot_token.get_secret_value()

    @property
    def _server(self) -> str:
        return self.services.settings.telegram_api_url

    @property
    def _addresses(self) -> tuple[str, str]:
        return f"{self._server}/bot", f"{self._server}/file/bot"

    def _application(self, queue: UpdateQueue, processor: InboxProcessor) -> App:
        # We poll ourselves: the library's polling ends silently when the token is revoked, and
        # finishes a pause of up to half a minute before it stops.
        base, base_file = self._addresses
        app = (
            ApplicationBuilder()
            .application_class(App)
            .updater(None)
            .update_queue(queue)
            .token(self._token)
            .base_url(base)
            .base_file_url(base_file)
            .rate_limiter(Limiter())
            .concurrent_updates(processor)
            .read_timeout(REPLY_SECONDS)
            .build()
        )
        assert isinstance(app, App)
        return app

    async def _serve(
        self, app: App, queue: UpdateQueue, processor: InboxProcessor, stop: asyncio.Event
    ) -> None:
        self._offset = 0
        await app.start()
        try:
            feed = self._listen if self.services.settings.telegram_webhook_url else self._poll
            resume = self.services.inbox.resume(PLATFORM, lambda row: queue.put_again(row, app.bot))
            broken = await _until(stop, resume, feed(app))
            await queue.join()  # until the replies are sent
            if broken:
                raise broken
            await self._confirm(app)
        finally:
            processor.drop()  # none are left, except after a cancellation
            queue.clear()
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
                await self._accept(app, update)
                self._offset = update.update_id + 1

    async def _accept(self, app: App, update: Update) -> None:
        while True:
            try:
                await app.update_queue.put(update)
            except DatabaseError as error:
                if not self.services.inbox.shared:
                    raise
                # It is likely to come back by itself; Telegram keeps what is not confirmed.
                log.error("update not accepted", platform=PLATFORM, reason=str(error))
                await asyncio.sleep(LOST_PAUSE)
            else:
                return

    async def _listen(self, app: App) -> None:
        self._app = app
        try:
            url = f"{self.services.settings.telegram_webhook_url}/telegram"
            await set_webhook(app.bot, url, UPDATES)
            self._up(app)
            await asyncio.Event().wait()
        finally:
            self._app = None

    async def _confirm(self, app: App) -> None:
        # The next poll would confirm them; without it, a restart would get the last updates again.
        if self._offset:
            try:
                await app.bot.get_updates(offset=self._offset, timeout=0, allowed_updates=UPDATES)
            except TelegramError as error:
                log.warning(
                    "last updates not confirmed; they may come again",
                    platform=PLATFORM,
                    reason=reason(error, self._token),
                )

    def _up(self, app: App) -> None:
        metrics.PLATFORM_UP.labels(PLATFORM).set(1)
        log.info("connected", platform=PLATFORM, bot=app.bot.username)

    def _lost(self, state: RetryCallState) -> None:
        metrics.PLATFORM_UP.labels(PLATFORM).set(0)
        assert state.outcome is not None
        log.warning(
            "connection lost; trying again",
            platform=PLATFORM,
            reason=reason(state.outcome.exception(), self._token),
            pause=state.upcoming_sleep,
        )


async def _until(stop: asyncio.Event, *feeds: Coroutine[Any, Any, None]) -> BaseException | None:
    """Run feeds until `stop` is set or one ends; return the error that ended it, if any."""
    tasks = [asyncio.create_task(feed) for feed in feeds]
    first = asyncio.ensure_future(asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED))
    try:
        await until_stopped(first, stop)
    finally:
        for task in (first, *tasks):
            task.cancel()
        await asyncio.wait(tasks)
    return next((task.exception() for task in tasks if not task.cancelled()), None)
