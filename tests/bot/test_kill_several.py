"""Two bots on one database, either of which is killed at random moments: no photo is lost.

Telegram calls the webhook of either, and calls again until one of them has accepted the update.
Each has a shard on Discord. What one bot had when it was killed, the other takes over. An answer
that was in the air then is sent again on Telegram, and on Discord found in the channel.

`make test-all` kills them twenty times over two hundred photos. `KILL_SEED` repeats a run.
"""

import asyncio
import os
import random
import socket
from collections import Counter
from collections.abc import Mapping
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import aiohttp
import psycopg
import pytest

from bot.store.postgres.chat_settings import PostgresChatSettings
from bot.store.postgres.database import Database
from bot.telegram.webhook import SECRET_HEADER, secret_of
from tests.bot.discord import fake_discord, fake_payloads
from tests.bot.discord.fake_discord import FakeDiscord
from tests.bot.telegram import fake_telegram
from tests.bot.telegram.fake_telegram import FakeTelegram
from tests.bot.test_kill import (
    KILLS,
    LATENCY,
    MOMENT,
    PEOPLE,
    PHOTOS,
    SECONDS,
    DiscordChat,
    life,
    until,
)
from tests.conftest import photo_bytes

# Seconds. A lease as it is served would have most of the test wait for it.
LEASE = 5.0
SHORTER = f"""
from runpy import run_module
from bot.store.postgres import inbox_rows
inbox_rows.LEASE = {LEASE}
run_module("bot", run_name="__main__")
"""
OPEN = "SELECT platform, message FROM captioner_inbox WHERE state = 'open' AND owner LIKE %s"


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


@dataclass
class Bot:
    """One of the bots, in its present life."""

    number: int
    folder: Path
    keys: Mapping[str, str]
    port: int = field(default_factory=free_port)
    lives: int = 0
    process: asyncio.subprocess.Process | None = None
    _life: AsyncExitStack = field(default_factory=AsyncExitStack)

    async def start(self, discord: FakeDiscord) -> None:
        """Start it, and wait until its shard is connected."""
        self.lives += 1
        own = {"WEB_PORT": str(self.port), "SHARD_COUNT": "2", "SHARD_IDS": str(self.number)}
        running = life(self.folder, ("-c", SHORTER), **{**self.keys, **own})
        self.process = await self._life.enter_async_context(running)
        shard = [self.number, 2]
        await until(lambda: [one["shard"] for one in discord.identified].count(shard) >= self.lives)

    async def kill(self) -> int:
        """Kill it; return the number of the process."""
        assert self.process is not None
        await self._life.aclose()
        return self.process.pid


@dataclass
class TelegramChats:
    """People who send photos on Telegram, which calls a webhook until the update is accepted."""

    server: FakeTelegram
    bots: list[Bot]
    session: aiohttp.ClientSession
    chance: random.Random
    asked: list[str] = field(default_factory=list)
    numbers: "count[int]" = field(default_factory=count)

    async def send(self) -> None:
        person = self.chance.randrange(1, PEOPLE)
        message = self.server.message(
            {"id": person, "type": "private", "first_name": "A"},
            {"id": person, "is_bot": False, "first_name": "A"},
            photo=[self.server.photo(photo_bytes(len(self.asked)))],
        )
        self.asked.append(f"telegram:{message['message_id']}")
        await self._call({"update_id": next(self.numbers), "message": message})

    async def _call(self, update: Mapping[str, object]) -> None:
        headers = {SECRET_HEADER: secret_of(fake_telegram.TOKEN)}
        while True:
            url = f"http://127.0.0.1:{self.chance.choice(self.bots).port}/telegram"
            with suppress(aiohttp.ClientError):
                async with self.session.post(url, json=update, headers=headers) as answer:
                    if answer.status == 200:
                        return
            await asyncio.sleep(0.1)

    def answers(self) -> Counter[str]:
        sent = self.server.of("sendMessage")
        return Counter(f"telegram:{one['reply_parameters']['message_id']}" for one in sent)


async def still_open(url: str, owner: str) -> set[str]:
    """Return what bots of some processes left open."""
    async with await psycopg.AsyncConnection.connect(url) as connection:
        rows = await (await connection.execute(OPEN, (owner,))).fetchall()
    return {f"{platform}:{message}" for platform, message in rows}


async def test_no_photo_is_lost_however_often_either_of_two_bots_is_killed(
    tmp_path: Path,
    served_file: Path,
    database_url: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fake_telegram, "TIMEOUT", SECONDS)
    monkeypatch.setattr(fake_discord, "SECONDS", SECONDS)
    seed = int(os.environ.get("KILL_SEED") or random.randrange(10**6))
    chance = random.Random(seed)
    # How often a bot was killed after an answer arrived, and before that was written down.
    in_the_air: Counter[str] = Counter()

    async with (
        FakeTelegram().serve() as telegram,
        FakeDiscord() as discord,
        aiohttp.ClientSession() as session,
        asyncio.timeout(SECONDS),
        AsyncExitStack() as lives,
    ):
        telegram.latency = discord.latency = LATENCY
        discord.nonce_seconds = 0.0  # as if each restart came long after
        discord.flags = fake_payloads.GRANTED
        discord.max_concurrency = 2  # so that no shard waits for the other
        async with Database(database_url) as database:
            chats = PostgresChatSettings(database)
            await chats.set_auto("discord", fake_payloads.CHANNEL, True)
        keys = {
            "DATABASE_URL": database_url,
            "TELEGRAM_BOT_TOKEN": fake_telegram.TOKEN,
            "TELEGRAM_API_URL": telegram.url,
            "TELEGRAM_WEBHOOK_URL": "http://bots.example",
            "DISCORD_BOT_TOKEN": fake_payloads.TOKEN,
            "DISCORD_API_URL": discord.api,
            "DISCORD_GATEWAY_URL": discord.gateway,
            "CAPTIONER_CHECKPOINT": str(served_file),
            "MAX_ATTEMPTS": "20",
            "PHOTOS_PER_PERSON": "10000/minute",
            "PHOTOS_PER_CHAT": "10000/minute",
        }
        bots = [Bot(number, tmp_path / str(number), keys) for number in range(2)]
        for bot in bots:
            bot.folder.mkdir()
            lives.push_async_callback(bot.kill)
        await asyncio.gather(*(bot.start(discord) for bot in bots))
        people: list[TelegramChats | DiscordChat] = [
            TelegramChats(telegram, bots, session, chance),
            DiscordChat(discord, fake_payloads.PRIVATE),
            DiscordChat(discord, fake_payloads.CHANNEL),
        ]

        def answers() -> Counter[str]:
            return sum((one.answers() for one in people), Counter())

        def asked() -> set[str]:
            return {message for one in people for message in one.asked}

        async def send() -> None:
            for number in range(PHOTOS // KILLS):
                await asyncio.sleep(chance.uniform(0, 0.2))
                # Half of them on Telegram.
                await people[0 if number % 2 else 1 + number // 2 % 2].send()

        for channel in people[1:]:  # a channel is backfilled once it is known
            await channel.send()
        await until(lambda: set(answers()) >= asked())
        sending = []
        for _ in range(KILLS):
            sending.append(asyncio.create_task(send()))
            await asyncio.sleep(chance.uniform(0, 1.5))
            bot = chance.choice(bots)
            process = await bot.kill()
            await asyncio.sleep(MOMENT)
            in_the_air.update(await still_open(database_url, f"% {process} %") & set(answers()))
            await bot.start(discord)
        await asyncio.gather(*sending)
        await until(lambda: set(answers()) >= asked())
        while await still_open(database_url, "%"):  # one that was answered just before a kill
            await asyncio.sleep(0.1)
        for bot in bots:
            assert bot.process is not None
            bot.process.terminate()
        statuses = [await bot.process.wait() for bot in bots if bot.process is not None]

    answered = answers()
    again = {message: answered[message] - 1 for message in asked() if answered[message] > 1}
    with capsys.disabled():
        print(
            f"\ntwo bots, killed {KILLS} times (seed {seed}): {len(asked())} photos, "
            f"{len(asked() & set(answered))} answered, {sum(again.values())} a second time, of "
            f"{in_the_air.total()} answers in the air"
        )
    logs = "\n".join((bot.folder / "log").read_text() for bot in bots)
    assert statuses == [0, 0], logs
    assert len(asked()) >= PHOTOS
    assert Counter(again) <= in_the_air, logs
    assert not [message for message in again if message.startswith("discord:")]
