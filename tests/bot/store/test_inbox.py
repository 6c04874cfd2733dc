"""Each accepted message is answered once, or given up and kept, over restarts too."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from bot.store import inbox as inbox_module
from bot.store.errors import DatabaseError
from bot.store.inbox import Hopeless, Inbox, NotYet, Unconfirmed
from bot.store.inbox_rows import InboxRow, Key
from tests.bot.store.conftest import NewRows

FIRST, SECOND, OTHER = (
    Key("telegram", "7", "100"),
    Key("telegram", "7", "101"),
    Key("discord", "7", "100"),
)


@pytest.fixture
async def inbox(new_rows: NewRows, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Inbox]:
    monkeypatch.setattr(inbox_module, "FIRST_PAUSE", 0.0)
    monkeypatch.setattr(inbox_module, "POLL_SECONDS", 0.01)
    async with Inbox(new_rows(), max_attempts=3) as inbox:
        yield inbox


class Person:
    """Counts the answers and apologies it gets."""

    def __init__(self) -> None:
        self.answers = self.apologies = 0

    async def answer(self) -> None:
        self.answers += 1

    async def apologize(self) -> None:
        self.apologies += 1


def failing(error: Exception) -> Callable[[], Awaitable[None]]:
    async def answer() -> None:
        raise error

    return answer


async def state_of(inbox: Inbox, key: Key) -> InboxRow:
    rows = await inbox.rows.having("open", "answered", "given up")
    return next(row for row in rows if row.key == key)


async def due(inbox: Inbox, platform: str = "telegram") -> list[Key]:
    return [row.key for row in await inbox.due(platform)]


async def test_open_messages_are_due_after_a_restart_oldest_first(new_rows: NewRows) -> None:
    async with Inbox(new_rows()) as inbox:
        for key in (SECOND, FIRST, OTHER):
            await inbox.accept(key, {"n": key.message})

    async with Inbox(new_rows()) as restarted:
        due = await restarted.due("telegram")

    assert [(row.key, row.reference) for row in due] == [
        (SECOND, {"n": "101"}),
        (FIRST, {"n": "100"}),
    ]


async def test_a_message_in_flight_is_not_due(inbox: Inbox) -> None:
    await inbox.accept(FIRST, None)
    assert await due(inbox) == []

    inbox.release(FIRST)
    assert await due(inbox) == [FIRST]
    assert await due(inbox) == []


async def test_the_same_message_is_accepted_once(inbox: Inbox) -> None:
    person = Person()

    assert await inbox.accept(FIRST, None)
    assert not await inbox.accept(FIRST, None)
    await inbox.handle(FIRST, person.answer, person.apologize)
    assert not await inbox.accept(FIRST, None)
    assert await inbox.accept(OTHER, None)


async def test_only_the_key_of_an_answered_message_is_kept(inbox: Inbox) -> None:
    person = Person()
    await inbox.accept(FIRST, {"token": "a-secret-of-discord"})

    await inbox.handle(FIRST, person.answer, person.apologize)

    row = await state_of(inbox, FIRST)
    assert (row.state, row.reference, row.attempts) == ("answered", None, 1)
    assert (person.answers, person.apologies) == (1, 0)


async def test_a_failed_message_is_retried_until_the_last_attempt(
    inbox: Inbox, caplog: pytest.LogCaptureFixture
) -> None:
    person = Person()
    await inbox.accept(FIRST, {"photo": 1})

    for attempt in (1, 2):
        await inbox.handle(FIRST, failing(OSError("down")), person.apologize)
        assert (await state_of(inbox, FIRST)).attempts == attempt
        assert await due(inbox) == [FIRST]
    await inbox.handle(FIRST, failing(OSError("down")), person.apologize)

    row = await state_of(inbox, FIRST)
    assert (row.state, row.reason) == ("given up", "OSError: down")
    assert row.reference == {"photo": 1}
    assert person.apologies == 1
    assert await due(inbox) == []
    assert "Traceback" not in caplog.text


async def test_pauses_grow_and_are_at_least_what_the_platform_wants(
    inbox: Inbox, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(inbox_module, "FIRST_PAUSE", 10.0)
    person = Person()
    await inbox.accept(FIRST, None)

    await inbox.handle(FIRST, failing(OSError()), person.apologize)
    await inbox.handle(FIRST, failing(NotYet("flood", 300)), person.apologize)

    assert await due(inbox) == []
    assert [record.__dict__["pause"] for record in caplog.records] == [10, 300]


@pytest.mark.parametrize("apologize", [True, False])
async def test_a_hopeless_message_is_given_up_at_once(inbox: Inbox, apologize: bool) -> None:
    person = Person()
    await inbox.accept(FIRST, None)

    await inbox.handle(FIRST, failing(Hopeless("kicked", apologize=apologize)), person.apologize)

    assert (await state_of(inbox, FIRST)).state == "given up"
    assert person.apologies == int(apologize)


async def test_a_message_is_given_up_even_if_the_apology_fails(inbox: Inbox) -> None:
    await inbox.accept(FIRST, None)

    await inbox.handle(
        FIRST, failing(Hopeless("a fault", apologize=True)), failing(OSError("down"))
    )

    assert (await state_of(inbox, FIRST)).state == "given up"


async def test_an_attempt_that_was_cut_off_counts_and_leaves_the_message_open(inbox: Inbox) -> None:
    person = Person()
    await inbox.accept(FIRST, None)

    for _ in range(inbox.max_attempts):
        started = asyncio.Event()

        async def endless(started: asyncio.Event = started) -> None:
            started.set()
            await asyncio.Event().wait()

        task = asyncio.create_task(inbox.handle(FIRST, endless, person.apologize))
        await started.wait()
        task.cancel()
        await asyncio.wait({task})
        assert await due(inbox) == [FIRST]
    await inbox.handle(FIRST, person.answer, person.apologize)

    assert (person.answers, person.apologies) == (0, 1)
    assert (await state_of(inbox, FIRST)).state == "given up"


async def test_a_message_is_resumed_each_time_it_becomes_due(inbox: Inbox) -> None:
    person, done = Person(), asyncio.Event()
    tries: list[Key] = []

    async def once_more(row: InboxRow) -> None:
        tries.append(row.key)
        answer = person.answer if len(tries) > 1 else failing(OSError("down"))
        await inbox.handle(row.key, answer, person.apologize)
        if len(tries) > 1:
            done.set()

    await inbox.accept(FIRST, None)
    inbox.release(FIRST)
    resuming = asyncio.create_task(inbox.resume("telegram", once_more))
    await asyncio.wait_for(done.wait(), 10)
    resuming.cancel()

    assert tries == [FIRST, FIRST]
    assert person.answers == 1


async def test_given_up_messages_are_retried_or_forgotten_on_demand(inbox: Inbox) -> None:
    person = Person()
    for key in (FIRST, SECOND):
        await inbox.accept(key, None)
        await inbox.handle(key, failing(Hopeless("kicked")), person.apologize)

    assert await inbox.rows.retry(FIRST)
    assert await inbox.rows.forget(SECOND)
    assert not await inbox.rows.retry(SECOND)
    assert not await inbox.rows.forget(FIRST)

    assert await due(inbox) == [FIRST]
    assert (await state_of(inbox, FIRST)).attempts == 0
    assert await inbox.rows.counts() == {"open": 1}


async def test_old_messages_are_swept_unless_they_are_open(inbox: Inbox) -> None:
    person = Person()
    for key in (FIRST, SECOND, OTHER):
        await inbox.accept(key, None)
    await inbox.handle(FIRST, person.answer, person.apologize)
    await inbox.handle(SECOND, failing(Hopeless("kicked")), person.apologize)

    assert await inbox.rows.sweep(0) == 2
    assert await inbox.rows.counts() == {"open": 1}


async def test_the_last_read_message_of_each_chat_is_kept(inbox: Inbox) -> None:
    for chat, message in ((1, 50), (1, 40), (2, 9)):
        await inbox.rows.mark_read("discord", chat, message)
    assert await inbox.rows.last_read("discord") == {"1": 50, "2": 9}

    await inbox.rows.forget_chat("discord", 1)
    assert await inbox.rows.last_read("discord") == {"2": 9}
    assert await inbox.rows.last_read("telegram") == {}


async def test_a_refusal_is_logged_as_info_and_a_bug_as_a_warning(
    inbox: Inbox, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    person = Person()
    for key, error in ((FIRST, Hopeless("kicked")), (SECOND, Hopeless("fault", apologize=True))):
        await inbox.accept(key, None)
        await inbox.handle(key, failing(error), person.apologize)

    assert [record.levelname for record in caplog.records] == ["INFO", "WARNING"]


async def test_an_answer_that_may_have_arrived_is_sent_once_more_and_an_operator_can_ask_again(
    inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbox_module, "UNCONFIRMED_PAUSE", 0.0)
    person, lost = Person(), failing(Unconfirmed("cut off"))
    await inbox.accept(FIRST, {})
    await inbox.handle(FIRST, lost, person.apologize)
    assert await due(inbox) == [FIRST]
    await inbox.handle(FIRST, lost, person.apologize)

    row = await state_of(inbox, FIRST)
    assert (row.state, row.reason) == ("given up", "the answer may have arrived: cut off")
    assert person.apologies == 0
    assert await inbox.rows.retry(FIRST)
    assert await due(inbox) == [FIRST]
    await inbox.handle(FIRST, lost, person.apologize)
    assert (await state_of(inbox, FIRST)).state == "open"


async def test_there_is_no_apology_after_an_answer_that_may_have_arrived(
    inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbox_module, "UNCONFIRMED_PAUSE", 0.0)
    person = Person()
    await inbox.accept(FIRST, {})
    await inbox.handle(FIRST, failing(Unconfirmed("cut off")), person.apologize)
    await inbox.handle(FIRST, failing(NotYet("down", 0)), person.apologize)
    await inbox.handle(FIRST, failing(NotYet("down", 0)), person.apologize)

    assert (await state_of(inbox, FIRST)).state == "given up"
    assert person.apologies == 0


async def test_how_many_pictures_have_their_answers_is_known_after_a_restart(
    new_rows: NewRows,
) -> None:
    async with Inbox(new_rows()) as inbox:
        await inbox.accept(FIRST, {})
        assert await inbox.answered_pictures(FIRST) == 0
        await inbox.note_answered(FIRST, 4)

    async with Inbox(new_rows()) as restarted:
        assert await restarted.answered_pictures(FIRST) == 4
        assert await restarted.answered_pictures(SECOND) == 0


async def test_what_was_said_is_known_although_it_cannot_be_recorded(
    inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(key: Key, pictures: int) -> None:
        raise DatabaseError("somewhere", "the disk is full")

    await inbox.accept(FIRST, {})
    monkeypatch.setattr(inbox.rows, "note_answered", broken)
    await inbox.note_answered(FIRST, 4)

    assert await inbox.answered_pictures(FIRST) == 4
