"""The buttons under a caption; they find its photo in the message that the caption quotes."""

import re
from collections.abc import Awaitable, Callable
from contextlib import suppress

from telegram import (
    CallbackQuery,
    InlineKeyboardButton,
    InlineKeyboardMarkup,
    Message,
    MessageEntity,
    Update,
)
from telegram.error import BadRequest, TelegramError

from bot import metrics
from bot.answers import Answer
from bot.replies import replies
from bot.store.inbox import Hopeless
from bot.telegram.context import Context, Shared
from bot.telegram.errors import MaybeSent, reason
from bot.telegram.identity import PLATFORM, visitor_of
from bot.telegram.photos import NoPicture, carries_file, quoted_by, video_of
from bot.telegram.sending import persistently, typing, units
from bot.wording import alt_text

MAX_ALERT = 200  # characters of an alert that Telegram accepts
PRESSED = re.compile(r"(look|scenes|alt)|another:(\d{1,6})")  # other clients can send anything


def buttons_under(turn: int) -> InlineKeyboardMarkup:
    """Return the buttons; `turn` is the number of the next rewording, from 1."""
    return InlineKeyboardMarkup(
        [
            [
                InlineKeyboardButton(replies.ANOTHER, callback_data=f"another:{turn}"),
                InlineKeyboardButton(replies.ALT_TEXT, callback_data="alt"),
            ],
            [InlineKeyboardButton(replies.LOOK, callback_data="look")],
        ]
    )


def buttons_of(answer: Answer) -> InlineKeyboardMarkup | None:
    """Return the buttons under an answer; None if it has no caption."""
    if answer.video:
        alt = InlineKeyboardButton(replies.ALT_TEXT, callback_data="alt")
        look = InlineKeyboardButton(replies.LOOK, callback_data="scenes")
        return InlineKeyboardMarkup([[alt], [look]])
    return buttons_under(1) if answer.caption else None


async def press(update: Update, context: Context) -> None:
    """Do what a pressed button says.

    Raises:
        Hopeless: it failed; the person was told so, or sees it.
    """
    query = update.callback_query
    assert query is not None
    await work_for(query, lambda: _pressed(query, context.bot_data))


async def work_for(query: CallbackQuery, work: Callable[[], Awaitable[str | None]]) -> None:
    """Do a button's work, and tell Telegram that it is done.

    Args:
        query: about the pressed button.
        work: returns the text of an alert, if there is one.

    Raises:
        Hopeless: it failed. The person was told so, or sees it, and can press again; a later
            attempt could then be the second.
    """
    try:
        alert = await work()
    except TelegramError as error:
        # What may have arrived needs no alert that it failed.
        await _finish(query, None if isinstance(error, MaybeSent) else replies.FAILED)
        metrics.ERRORS.labels(PLATFORM, "undelivered").inc()
        raise Hopeless(f"button: {reason(error, query.get_bot().token)}") from None
    await _finish(query, alert)


async def _pressed(query: CallbackQuery, shared: Shared) -> str | None:
    """Do what a button says; return the text of an alert, if there is one."""
    button, shown = PRESSED.fullmatch(query.data or ""), query.message
    if button is None or not isinstance(shown, Message):
        return replies.GONE
    action, turn = button.groups()
    if action == "alt":
        await _show_alt_text(shown, shared)
        return None
    answers, asked = shared.services.answers, shown.reply_to_message
    # The caption replies to its photo, or to the command that quotes it from another chat.
    quoted = asked and (asked if carries_file(asked) else quoted_by(asked))
    if quoted is None:
        return replies.GONE
    if refusal := await shared.services.access.refuse(visitor_of(query), photos=1):
        return replies.too_many(refusal.retry_after or 0)
    try:
        video = video_of(quoted) if action == "scenes" else None
        fetched = shared.photos.video(video) if video else shared.photos.of(quoted)
        async with typing(shown), fetched as photo:
            if action == "scenes":
                answer = await answers.looked_at_scenes(photo)
            elif turn:
                answer = await answers.another(photo, int(turn), shown.text or "")
            else:
                answer = await answers.looked(photo)
    except NoPicture as error:
        return str(error)
    if turn and not answer.problem:
        return await _reword(shown, answer, int(turn) + 1)
    if answer.picture is None:
        return answer.text
    await shared.sender.reply(shown, answer.text, picture=answer.picture)
    return None


async def _show_alt_text(shown: Message, shared: Shared) -> None:
    sentence = alt_text(shown.text or "")
    block = MessageEntity(MessageEntity.PRE, 0, units(sentence))
    await shared.sender.reply(shown, sentence, entities=[block])


async def _reword(shown: Message, answer: Answer, turn: int) -> str | None:
    buttons = buttons_under(turn)
    try:
        if answer.text == replies.NOTHING_ELSE:
            await persistently(lambda: shown.edit_reply_markup(buttons))
            return answer.text
        await persistently(lambda: shown.edit_text(answer.text, reply_markup=buttons))
    except BadRequest as error:
        # A button pressed twice gives the same caption twice.
        if "not modified" not in error.message.lower():
            raise
    return None


async def _finish(query: CallbackQuery, text: str | None) -> None:
    # Only the alert is lost then: the button's work is done, and must not be done again.
    with suppress(TelegramError):
        await persistently(lambda: query.answer(text and text[:MAX_ALERT], show_alert=bool(text)))
