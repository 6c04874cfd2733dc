"""What the bot says keeps the platforms' limits, in every language."""

from collections.abc import Iterator
from typing import get_args

import pytest
from telegram.constants import (
    BotCommandLimit,
    BotDescriptionLimit,
    CallbackQueryLimit,
    InlineKeyboardButtonLimit,
)

from bot import languages
from bot.about import about
from bot.language_choice import choices
from bot.languages import Sentence, translated
from bot.replies import (
    COMMANDS,
    DISCORD_CAPTION,
    DISCORD_MENU,
    DISCORD_OPTIONS,
    OPERATORS_COMMANDS,
    Replies,
    replies,
)
from captioner import BadImage, Busy
from captioner.errors import NUMBERS, BadImageKind
from captioner.shipped import NAMES

# Discord's, in characters; Telegram takes messages of 4096.
MESSAGE, DESCRIPTION, MENU_NAME, LABEL = 2000, 100, 32, 80
DESCRIPTIONS = (
    *COMMANDS.values(),
    *OPERATORS_COMMANDS.values(),
    *DISCORD_OPTIONS.values(),
    DISCORD_CAPTION,
)


@pytest.fixture(params=languages.NAMES, autouse=True)
def spoken(request: pytest.FixtureRequest) -> Iterator[None]:
    with languages.speaking(request.param):
        yield


def every_sentence() -> list[str]:
    return [getattr(replies, name) for name, one in vars(Replies).items() if _is_sentence(one)]


def _is_sentence(value: object) -> bool:
    return isinstance(value, Sentence)


def test_no_message_is_too_long() -> None:
    texts = every_sentence()
    assert len(texts) > 40
    for group_help in (replies.TELEGRAM_GROUP_HELP, replies.DISCORD_GROUP_HELP):
        texts.append(replies.help_text(group_help))
    texts += [about.text("x" * 60, {"cider": 1.0}, shipped=name) for name in NAMES]
    assert max(map(len, texts)) <= MESSAGE


def test_descriptions_fit_into_the_menus() -> None:
    for text in map(translated, DESCRIPTIONS):
        assert 0 < len(text) <= DESCRIPTION
        assert BotCommandLimit.MIN_DESCRIPTION <= len(text) <= BotCommandLimit.MAX_DESCRIPTION
    assert 0 < len(translated(DISCORD_MENU)) <= MENU_NAME
    assert len(replies.HINT) <= BotDescriptionLimit.MAX_SHORT_DESCRIPTION_LENGTH


@pytest.mark.parametrize("private", [True, False])
def test_buttons_have_room_for_their_labels(private: bool) -> None:
    chosen = choices(private=private)
    for label in (replies.ANOTHER, replies.LOOK, replies.ALT_TEXT, *chosen.values()):
        assert 0 < len(label) <= LABEL
    for choice in chosen:
        assert len(f"language:{choice}".encode()) <= InlineKeyboardButtonLimit.MAX_CALLBACK_DATA


@pytest.mark.parametrize("video", [False, True])
@pytest.mark.parametrize("kind", get_args(BadImageKind))
def test_alerts_about_files_are_shown_whole(kind: BadImageKind, video: bool) -> None:
    said = replies.bad_image(BadImage(kind, video=video, **dict.fromkeys(NUMBERS[kind], 2**26)))
    assert len(said) <= CallbackQueryLimit.ANSWER_CALLBACK_QUERY_TEXT_LENGTH


def test_the_other_alerts_are_shown_whole() -> None:
    alerts = [
        replies.GONE,
        replies.FAILED,
        replies.LATE,
        replies.UNREACHABLE,
        replies.NOTHING_ELSE,
        replies.NO_ATTENTION,
        replies.NO_PREVIEW,
        replies.NEEDS_ATTACHMENT,
        replies.NOT_ALLOWED,
        replies.LANGUAGE_ADMINS,
        replies.too_large(20),
        replies.too_many(3600),
        replies.busy(Busy("full", 3600)),
        replies.busy(Busy("stopping", 3600)),
    ]
    assert max(map(len, alerts)) <= CallbackQueryLimit.ANSWER_CALLBACK_QUERY_TEXT_LENGTH
