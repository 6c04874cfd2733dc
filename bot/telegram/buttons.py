"""The buttons under a caption on Telegram; what they need is in the message above them."""

import re
from dataclasses import dataclass

from telegram import (
    CallbackQuery,
    InlineKeyboardButton,
    InlineKeyboardMarkup,
    Message,
    MessageEntity,
    Update,
)
from telegram.error import BadRequest, TelegramError
from telegram.ext import ContextTypes

from bot import replies
from bot.access import Access
from bot.answers import Answer, Answers
from bot.telegram.identity import visitor_of
from bot.telegram.photos import NoPicture, Photos, carries_file
from bot.telegram.sending import Sender, persistently, typing

MAX_ALERT = 200  # characters that fit into the answer to a button
PRESSED = re.compile(r"(look|alt)|another:(\d{1,6})")  # strangers' programs can send anything


def buttons_under(turn: int) -> InlineKeyboardMarkup:
    """Return the buttons; `turn` counts how often the caption was worded differently."""
    return InlineKeyboardMarkup(
        [
            [
                InlineKeyboardButton(replies.ANOTHER, callback_data=f"another:{turn}"),
                InlineKeyboardButton(replies.ALT_TEXT, callback_data="alt"),
            ],
            [InlineKeyboardButton(replies.LOOK, callback_data="look")],
        ]
    )


@dataclass(frozen=True)
class Buttons:
    """Does what the buttons say."""

    answers: Answers
    photos: Photos
    sender: Sender
    access: Access

    async def press(self, update: Update, context: ContextTypes.DEFAULT_TYPE) -> None:
        """Do what a button says, and tell Telegram that it is done."""
        query = update.callback_query
        assert query is not None
        try:
            told = await self._pressed(query)
        except TelegramError:
            await _tell(query, replies.FAILED)
            raise
        await _tell(query, told)

    async def _pressed(self, query: CallbackQuery) -> str | None:
        """Do it; return what the person is told in an alert, if anything."""
        button, shown = PRESSED.fullmatch(query.data or ""), query.message
        if button is None or not isinstance(shown, Message):
            return replies.GONE
        action, turn = button.groups()
        if action == "alt":
            await self._show_plain(shown)
            return None
        if shown.reply_to_message is None or not carries_file(shown.reply_to_message):
            return replies.GONE
        if refusal := self.access.refuse(visitor_of(query), photos=1):
            return replies.too_many(refusal.retry_after or 0)
        try:
            async with typing(shown), self.photos.of(shown.reply_to_message) as photo:
                if turn:
                    answer = await self.answers.another(photo, int(turn), shown.text or "")
                else:
                    answer = await self.answers.looked(photo)
        except NoPicture as error:
            return str(error)
        if turn and not answer.problem:
            return await _reword(shown, answer, int(turn) + 1)
        if answer.picture is None:
            return answer.text
        await self.sender.reply(shown, answer.text, picture=answer.picture)
        return None

    async def _show_plain(self, shown: Message) -> None:
        plain = replies.without_doubt(shown.text or "")
        length = len(plain.encode("utf-16-le")) // 2  # the unit in which Telegram counts
        block = MessageEntity(MessageEntity.PRE, 0, length)
        await self.sender.reply(shown, plain, entities=[block])


async def _reword(shown: Message, answer: Answer, turn: int) -> str | None:
    buttons = buttons_under(turn)
    try:
        if answer.text == replies.NOTHING_ELSE:
            await persistently(lambda: shown.edit_reply_markup(buttons))
            return answer.text
        await persistently(lambda: shown.edit_text(answer.text, reply_markup=buttons))
    except BadRequest as error:
        # The same button pressed twice words the caption alike.
        if "not modified" not in error.message.lower():
            raise
    return None


async def _tell(query: CallbackQuery, text: str | None) -> None:
    try:
        await query.answer(text and text[:MAX_ALERT], show_alert=bool(text))
    except BadRequest as error:
        # After a restart it may be too late for the alert; what was asked for is done.
        if "query is too old" not in error.message.lower():
            raise
