"""What is set for a chat holds for it alone, in either store."""

import asyncio

import pytest

from bot.store.chat_settings import ChatSettings


async def test_automatic_captions_are_off_until_switched_on(chats: ChatSettings) -> None:
    assert not await chats.auto("telegram", 1)
    await chats.set_auto("telegram", 1, True)
    assert await chats.auto("telegram", 1)
    assert not await chats.auto("telegram", 2)
    assert not await chats.auto("discord", 1)
    await chats.set_auto("telegram", 1, False)
    assert not await chats.auto("telegram", 1)


async def test_a_chat_keeps_its_settings_when_its_id_changes(chats: ChatSettings) -> None:
    await chats.set_auto("telegram", 1, True)
    await chats.move("telegram", 1, 2)

    assert await chats.auto("telegram", 2)
    assert not await chats.auto("telegram", 1)


async def test_a_move_that_is_reported_twice_changes_nothing(chats: ChatSettings) -> None:
    await chats.set_auto("telegram", 1, True)
    await chats.move("telegram", 1, 2)
    await chats.set_auto("telegram", 2, False)
    await chats.move("telegram", 1, 2)

    assert not await chats.auto("telegram", 2)


async def test_many_tasks_can_use_the_settings_at_once(chats: ChatSettings) -> None:
    await asyncio.gather(*(chats.set_auto("web", n, n % 2 == 0) for n in range(50)))
    found = await asyncio.gather(*(chats.auto("web", n) for n in range(50)))

    assert found == [n % 2 == 0 for n in range(50)]


async def test_a_language_is_kept_until_the_choice_is_forgotten(chats: ChatSettings) -> None:
    assert await chats.language("telegram", -100) is None
    await chats.set_language("telegram", -100, "de")
    await chats.set_language("telegram", -100, "ar")
    await chats.set_auto("telegram", -100, True)
    assert await chats.language("telegram", "-100") == "ar"
    assert await chats.language("discord", -100) is None

    await chats.set_language("telegram", -100, None)
    assert await chats.language("telegram", -100) is None
    assert await chats.auto("telegram", -100)


@pytest.mark.parametrize("chosen", [None, "fr"])
async def test_a_language_moves_with_its_chat_to_an_id_that_has_none(
    chats: ChatSettings, chosen: str | None
) -> None:
    await chats.set_language("telegram", 1, "de")
    await chats.set_language("telegram", 2, chosen)
    await chats.move("telegram", 1, 2)

    assert await chats.language("telegram", 1) is None
    assert await chats.language("telegram", 2) == (chosen or "de")
