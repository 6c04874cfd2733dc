"""Many photos, and a process that is killed at random moments: none is lost.

Only Telegram gets an answer again: once for each time that the process was killed after Telegram
took it and before the bot wrote that down. On Discord the bot finds its answer in the channel.

`make test-all` kills it twenty times over two hundred photos. `KILL_SEED` repeats a run.
"""

import asyncio
import os
import random
import sqlite3
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from bot.settings import Settings
from tests.bot.discord import fake_discord, fake_payloads
from tests.bot.discord.fake_discord import FakeDiscord
from tests.bot.telegram import fake_telegram
from tests.bot.telegram.fake_telegram import FakeTelegram
from tests.conftest import LONG, photo_bytes

ROOT = Path(__file__).parents[2]
KILLS, PHOTOS = (20, 200) if LONG else (4, 40)
PEOPLE = 20
SECONDS = 600.0 if LONG else 300.0  # that the whole may take
LATENCY = 0.2  # seconds that an answer is in the air: long enough for kills to happen then
MOMENT = 0.05  # seconds, in which the servers take what was sent just before a kill
OPEN = "SELECT platform, message FROM entries WHERE state = 'open'"


@asynccontextmanager
async def life(
    folder: Path, command: Sequence[str] = ("-m", "bot"), **environment: str
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run the bot, and kill it when the context is left."""
    clean = {
        key: value for key, value in os.environ.items() if key.lower() not in Settings.model_fields
    }
    with (folder / "log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, *command),
            cwd=folder,
            env=clean | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"} | environment,
            stderr=log,
        )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@dataclass
class TelegramChats:
    """People who send photos on Telegram."""

    server: FakeTelegram
    chance: random.Random
    asked: list[str] = field(default_factory=list)

    async def send(self) -> None:
        person = self.chance.randrange(1, PEOPLE)
        message = await self.server.send(
            {"id": person, "type": "private", "first_name": "A"},
            {"id": person, "is_bot": False, "first_name": "A"},
            photo=[self.server.photo(photo_bytes(len(self.asked)))],
        )
        self.asked.append(f"telegram:{message['message_id']}")

    async def up(self, life: int) -> None:
        await self.server.nth("deleteWebhook", life)

    def answers(self) -> Counter[str]:
        sent = self.server.of("sendMessage")
        return Counter(f"telegram:{one['reply_parameters']['message_id']}" for one in sent)


@dataclass
class DiscordChat:
    """A person who sends photos to one channel of Discord, whether the bot is there or not."""

    server: FakeDiscord
    channel: str = fake_payloads.PRIVATE
    asked: list[str] = field(default_factory=list)

    async def send(self) -> None:
        file = self.server.attachment(photo_bytes(len(self.asked)))
        message = self.server.message(channel_id=self.channel, attachments=[file])
        self.asked.append(f"discord:{message['id']}")
        with suppress(ConnectionError):  # the bot was killed just now
            await self.server.dispatch("MESSAGE_CREATE", message)

    async def up(self, life: int) -> None:
        await self.server.connected(life)

    def answers(self) -> Counter[str]:
        sent = [
            one
            for one in self.server.messages.values()
            if one["author"] == self.server.me and one["channel_id"] == self.channel
        ]
        return Counter(f"discord:{one['message_reference']['message_id']}" for one in sent)


def still_open(folder: Path) -> set[str]:
    """Return what a killed bot left open."""
    with closing(sqlite3.connect(folder / "data" / "inbox.sqlite3")) as database:
        return {f"{platform}:{message}" for platform, message in database.execute(OPEN)}


async def until(met: Callable[[], bool]) -> None:
    while not met():
        await asyncio.sleep(0.05)


async def test_no_photo_is_lost_however_often_the_bot_is_killed(
    tmp_path: Path,
    served_file: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fake_telegram, "TIMEOUT", SECONDS)
    monkeypatch.setattr(fake_discord, "SECONDS", SECONDS)
    seed = int(os.environ.get("KILL_SEED") or random.randrange(10**6))
    chance = random.Random(seed)
    # How often the process was killed after an answer arrived, and before that was written down.
    in_the_air: Counter[str] = Counter()

    async with (
        FakeTelegram().serve() as telegram,
        FakeDiscord() as discord,
        asyncio.timeout(SECONDS),
    ):
        telegram.latency = discord.latency = LATENCY
        discord.nonce_seconds = 0.0  # as if each restart came long after
        chats = (TelegramChats(telegram, chance), DiscordChat(discord))
        keys = {
            "TELEGRAM_BOT_TOKEN": fake_telegram.TOKEN,
            "TELEGRAM_API_URL": telegram.url,
            "DISCORD_BOT_TOKEN": fake_payloads.TOKEN,
            "DISCORD_API_URL": discord.api,
            "DISCORD_GATEWAY_URL": discord.gateway,
            "CAPTIONER_CHECKPOINT": str(served_file),
            "WEB_PORT": "0",
            "MAX_ATTEMPTS": "20",
            "PHOTOS_PER_PERSON": "10000/minute",
            "PHOTOS_PER_CHAT": "10000/minute",
        }

        def answers() -> Counter[str]:
            return chats[0].answers() + chats[1].answers()

        async def send() -> None:
            for number in range(PHOTOS // KILLS):
                await asyncio.sleep(chance.uniform(0, 0.2))
                await chats[number % 2].send()

        async with life(tmp_path, **keys):  # a private chat is backfilled once it is known
            await asyncio.gather(*(chat.up(1) for chat in chats))
            await chats[1].send()
            await until(lambda: bool(chats[1].answers()))
        sending = []
        for number in range(2, KILLS + 1):
            async with life(tmp_path, **keys):
                await asyncio.gather(*(chat.up(number) for chat in chats))
                sending.append(asyncio.create_task(send()))
                await asyncio.sleep(chance.uniform(0, 1.5))
            await asyncio.sleep(MOMENT)
            in_the_air.update(still_open(tmp_path) & set(answers()))
        async with life(tmp_path, **keys) as process:
            await asyncio.gather(*sending, send())
            await until(lambda: set(answers()) >= {*chats[0].asked, *chats[1].asked})
            process.terminate()
            assert await process.wait() == 0

    asked, answered = {*chats[0].asked, *chats[1].asked}, answers()
    again = {message: answered[message] - 1 for message in asked if answered[message] > 1}
    with capsys.disabled():
        print(
            f"\nkilled {KILLS} times (seed {seed}): {len(asked)} photos, "
            f"{len(asked & set(answered))} answered, {sum(again.values())} a second time, of "
            f"{in_the_air.total()} answers in the air"
        )
    assert len(asked) >= PHOTOS
    assert still_open(tmp_path) == set()
    assert Counter(again) <= in_the_air, (tmp_path / "log").read_text()
    assert not [message for message in again if message.startswith("discord:")]
