"""What Telegram shows of the bot before anybody writes to it."""

import pytest

from bot import languages
from bot.languages import translated
from bot.replies import COMMANDS, replies
from bot.telegram import menu
from tests.bot.speaking import said
from tests.bot.telegram.chat import Store, running, telegram
from tests.bot.telegram.fake_telegram import FakeTelegram, failure

pytestmark = [
    pytest.mark.usefixtures("translated"),
    # The library warns about its own use of RetryAfter.
    pytest.mark.filterwarnings("ignore::telegram.warnings.PTBDeprecationWarning"),
]
TRANSLATED = menu.TRANSLATED


@pytest.fixture(autouse=True)
def every_language(quick: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(menu, "TRANSLATED", TRANSLATED)


async def test_the_menu_is_in_everyones_own_language_and_english_for_the_others(
    fake: FakeTelegram, store: Store
) -> None:
    async with running(telegram(fake, store)):
        await fake.nth("getUpdates")

    shown = {
        (one.get("language_code", "en"), one.get("scope", {}).get("type")): {
            command["command"]: command["description"] for command in one["commands"]
        }
        for one in fake.of("setMyCommands")
    }
    assert set(shown) == {(c, s) for c in languages.NAMES for s in (None, "all_group_chats")}
    for (code, scope), commands in shown.items():
        with languages.speaking(code):
            expected = {name: translated(text) for name, text in COMMANDS.items()}
        if scope is None:
            del expected["auto"]
        assert commands == expected


@pytest.mark.parametrize("before", ["", replies.HINT, "The best bot in town."])
async def test_the_bot_describes_itself_unless_its_operator_did(
    fake: FakeTelegram, store: Store, before: str
) -> None:
    fake.description = before
    async with running(telegram(fake, store)):
        await fake.nth("getUpdates")

    long = {one.get("language_code", "en"): one for one in fake.of("setMyDescription")}
    short = {one.get("language_code", "en"): one for one in fake.of("setMyShortDescription")}
    expected = {code: said(code, lambda: replies.HINT) for code in languages.NAMES}
    if before not in ("", replies.HINT):
        expected = {}
    assert {code: one["description"] for code, one in long.items()} == expected
    assert {code: one["short_description"] for code, one in short.items()} == expected


@pytest.mark.parametrize("method", ["getMyDescription", "setMyDescription", "setMyCommands"])
async def test_a_menu_that_cannot_be_translated_now_does_not_keep_the_bot_from_starting(
    fake: FakeTelegram, store: Store, method: str
) -> None:
    flood = failure(429, "Too Many Requests: retry after 4000", retry_after=4000)
    fake.failures[method] = [None, None, flood] if method == "setMyCommands" else [flood]
    async with running(telegram(fake, store)):
        await fake.send(text="Hello")
        sent = await fake.nth("sendMessage")

    assert sent["text"] == replies.HINT
