"""More photos than can be captioned, on servers that fail: each gets exactly one answer."""

import asyncio
import random
from collections import Counter
from pathlib import Path

import aiohttp
import pytest

from bot.replies import replies
from bot.store import inbox
from bot.telegram import adapter
from captioner import Captioner, Options
from captioner.result import Caption
from captioner.serving import ServingConfig
from tests.bot.telegram.chat import open_store, running, telegram
from tests.bot.telegram.fake_telegram import DROP, FakeTelegram, failure
from tests.bot.web.server import serving, web_chat
from tests.conftest import LONG, Trained, on_cpu, photo_bytes

# The library warns about its own use of RetryAfter.
pytestmark = pytest.mark.filterwarnings("ignore::telegram.warnings.PTBDeprecationWarning")

BUSY = replies.BUSY.partition("{")[0]
PEOPLE, EACH = (30, 8) if LONG else (10, 4)
CALLERS, CALLS = (64, 6) if LONG else (32, 3)


async def test_each_photo_of_a_flood_on_telegram_gets_one_answer(
    tmp_path: Path, tiny: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adapter, "UPDATES_AT_ONCE", 64)
    # What fails here did not arrive, which the bot cannot know.
    monkeypatch.setattr(inbox, "UNCONFIRMED_PAUSE", 0.1)
    monkeypatch.setattr(inbox, "MAX_UNCONFIRMED", 100)
    chance = random.Random(4)
    trouble = [failure(429, "Too Many Requests", retry_after=1), failure(502), DROP]
    async with (
        FakeTelegram().serve() as server,
        open_store(tmp_path) as store,
        Captioner(*on_cpu(tiny), ServingConfig(max_queue=4)) as captioner,
    ):
        server.failures["sendMessage"] = [
            chance.choice(trouble) if chance.random() < 0.1 else None for _ in range(PEOPLE * EACH)
        ]
        async with running(
            telegram(server, store, captioner.caption, photos_per_person="1000/minute")
        ):
            asked = [
                await server.send(
                    {"id": person, "type": "private", "first_name": "A"},
                    {"id": person, "is_bot": False, "first_name": "A"},
                    photo=[server.photo(photo_bytes(number))],
                )
                for number in range(EACH)
                for person in range(1, PEOPLE + 1)
            ]
            async with asyncio.timeout(120):
                while (await store.inbox.rows.counts()).get("answered", 0) < len(asked):
                    await asyncio.sleep(0.1)

    shown = [message for message in server.messages.values() if "reply_to_message" in message]
    answers = Counter(message["reply_to_message"]["message_id"] for message in shown)
    assert answers == dict.fromkeys((message["message_id"] for message in asked), 1)
    busy = [message for message in shown if message["text"].startswith(BUSY)]
    captions = [message for message in shown if "reply_markup" in message]
    assert busy
    assert captions
    assert len(busy) + len(captions) == len(asked)


async def test_each_photo_of_a_flood_on_the_web_gets_a_caption_or_a_time_to_retry(
    tiny: Trained,
) -> None:
    statuses: Counter[int] = Counter()
    async with Captioner(*on_cpu(tiny), ServingConfig(max_queue=8)) as captioner:

        async def caption(photo: bytes, options: Options) -> Caption:
            return await captioner.caption(photo, options)

        async with serving(web_chat(caption)) as url, aiohttp.ClientSession() as session:

            async def call(number: int) -> None:
                for turn in range(CALLS):
                    photo = photo_bytes(number + turn)
                    async with session.post(f"{url}/api/caption", data=photo) as answer:
                        statuses[answer.status] += 1
                        body = await answer.json()
                        assert ("caption" in body) == (answer.status == 200)
                        assert answer.status == 200 or int(answer.headers["Retry-After"]) > 0

            await asyncio.gather(*(call(number) for number in range(CALLERS)))

    assert statuses.total() == CALLERS * CALLS
    assert set(statuses) == {200, 503}
