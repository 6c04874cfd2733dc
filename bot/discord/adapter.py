"""The adapter for Discord: checks the token, connects, and stops cleanly."""

import asyncio
import logging
from dataclasses import dataclass
from functools import partial

import aiohttp
import discord
import structlog
import yarl
from discord.gateway import DiscordWebSocket
from discord.http import Route

from bot import metrics
from bot.discord.commands import Commands
from bot.discord.errors import DISCORD_ERRORS, check_sessions, platform_errors, reason
from bot.discord.identity import PLATFORM
from bot.discord.intake import PhotoClient, ShardedPhotoClient
from bot.discord.language import Menus
from bot.discord.photos import Photos
from bot.discord.shards import Shards
from bot.discord.turns import Lane, Turns, unshared
from bot.services import Services
from bot.settings import Settings
from bot.supervision import until_stopped

log = structlog.stdlib.get_logger(__name__)

START_SECONDS = 60.0  # until the gateway has accepted the bot


@dataclass(frozen=True)
class _Profile:
    name: str
    message_content: bool  # whether the intent is granted
    shards: int  # recommended by the gateway
    sessions: discord.SessionStartLimits


@dataclass
class Discord:
    """Answers photos on Discord."""

    services: Services
    lane: Lane = unshared  # in which shards of several processes take turns to connect

    async def run(self, stop: asyncio.Event) -> None:
        """Serve until `stop` is set, then finish the work in progress.

        Raises:
            PlatformError: Discord cannot be reached, or refuses the bot.
        """
        _set_up_library(self.services.settings)
        profile = await self._profile()
        shards = Shards.of(self.services.settings, profile.shards)
        check_sessions(profile.sessions, len(shards.ids))
        kind = ShardedPhotoClient if shards.count > 1 else PhotoClient
        timeout = aiohttp.ClientTimeout(total=self.services.settings.photo_seconds)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            client = kind(
                Photos(self.services, session),
                self.services,
                message_content=profile.message_content,
                shards=shards,
                turns=Turns(profile.sessions.max_concurrency, self.lane),
            )
            await self._serve(client, stop)

    async def check(self) -> str:
        """Verify the token, and return the bot's name.

        Raises:
            PlatformError: Discord cannot be reached, or refuses the bot.
        """
        _set_up_library(self.services.settings)
        profile = await self._profile()
        shards = Shards.of(self.services.settings, profile.shards)
        return f"Discord: {profile.name}{f'; {shards}' if shards.count > 1 else ''}"

    async def _profile(self) -> _Profile:
        # Both must be known first: a connection that asks for an intent not granted is refused.
        client = discord.Client(intents=discord.Intents(guilds=True))
        with platform_errors():
            async with asyncio.timeout(START_SECONDS), client:
                await client.login(self._token)
                shards, _, limits = await client.http.get_bot_gateway()
        assert client.user is not None
        assert client.application is not None
        flags = client.application.flags
        granted = flags.gateway_message_content or flags.gateway_message_content_limited
        return _Profile(client.user.name, granted, shards, discord.SessionStartLimits(**limits))

    async def _serve(self, client: PhotoClient, stop: asyncio.Event) -> None:
        serving = asyncio.create_task(self._connect(client))
        catching_up = asyncio.create_task(client.catch_up())
        tasks = {serving, catching_up}
        first = asyncio.ensure_future(asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED))
        try:
            await until_stopped(first, stop)
            catching_up.cancel()
            await client.finish()
        finally:
            catching_up.cancel()
            await client.disconnect()
            serving.cancel()
            await asyncio.wait({first, *tasks})
            await client.turns.close()
            metrics.PLATFORM_UP.labels(PLATFORM).set(0)
        failures = [task.exception() for task in (serving, catching_up) if not task.cancelled()]
        error = next((failure for failure in failures if failure is not None), None)
        if error is not None and not stop.is_set():
            with platform_errors():
                raise error

    async def _connect(self, client: PhotoClient) -> None:
        async with asyncio.timeout(START_SECONDS):
            await client.login(self._token)
            commands = Commands(client)
            await commands.set_translator(Menus())
            if client.own_shards.lead:  # the commands are those of all servers
                await commands.sync()
        await client.turns.take(client.own_shards.ids[0])  # while others connect, it may take long
        async with asyncio.timeout(START_SECONDS) as start:
            client.connected = partial(self._up, start)
            try:
                await client.connect()
            except AttributeError as error:
                if client.ws is not None:
                    raise
                # The library tries to resume a session even if there never was one.
                raise ConnectionError from error

    def _up(self, start: asyncio.Timeout) -> None:
        if start.when() is not None:
            start.reschedule(None)
            log.info("connected", platform=PLATFORM)

    @property
    def _token(self) -> str:
        token = self.services.settings.discord_bot_token
        return token.get_secret_value() if token is not None else ""


def _set_up_library(settings: Settings) -> None:
    # The library has no parameters for its two addresses, and reads them from here.
    Route.BASE = settings.discord_api_url
    DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(settings.discord_gateway_url)
    # The library warns if it cannot use voice, which the bot does not need.
    discord.VoiceClient.warn_nacl = discord.VoiceClient.warn_dave = False
    # The library logs with `logging`: these are its loggers, not ours.
    library = logging.getLogger("discord")
    if library.getEffectiveLevel() < logging.INFO:
        library.setLevel(logging.INFO)  # below, it logs messages, names and interaction tokens
    for part in ("client", "gateway", "shard"):
        logging.getLogger(f"discord.{part}").addFilter(_without_trace)


def _without_trace(record: logging.LogRecord) -> bool:
    """Log a network error in one line; the library adds a traceback when it reconnects."""
    error = record.exc_info[1] if record.exc_info else None
    if isinstance(error, DISCORD_ERRORS):
        record.msg, record.args = f"{record.getMessage()} ({reason(error)})", None
        record.exc_info = None
    return True
