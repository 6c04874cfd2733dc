"""Whom the bot on Telegram lets in, and what those who run it may do."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from telegram import Update
from telegram.ext import ApplicationHandlerStop, ContextTypes

from bot import replies
from bot.access import Access
from bot.telegram.identity import addresses_bot, is_private, mentions_bot, visitor_of
from bot.telegram.sending import Sender, persistently

Context = ContextTypes.DEFAULT_TYPE


@dataclass(frozen=True)
class Operators:
    """Stands before all other handlers, and knows its masters."""

    access: Access
    sender: Sender
    stats: Callable[[], Awaitable[str]]

    async def guard(self, update: Update, context: Context) -> None:
        """Leave out who is not let in; those who speak to the bot are told so."""
        message, query = update.message, update.callback_query
        asked = message or query
        if asked is None or self.access.admits(visitor := visitor_of(asked)):
            return
        speaks = message and (
            is_private(message) or addresses_bot(message) or mentions_bot(message)
        )
        if speaks or query:
            refusal = self.access.refuse(visitor)
            assert refusal is not None
            if query:
                await query.answer(refusal.text)
            elif message and refusal.text:
                await self.sender.reply(message, refusal.text)
        raise ApplicationHandlerStop

    async def show_stats(self, update: Update, context: Context) -> None:
        """Say to an operator what the bot has done."""
        message = update.message
        assert message is not None
        operator = self.access.is_operator(visitor_of(message))
        text = await self.stats() if operator else replies.OPERATORS_ONLY
        await self.sender.reply(message, text)

    async def leave(self, update: Update, context: Context) -> None:
        """Leave a group when an operator says so."""
        message = update.message
        assert message is not None
        if not self.access.is_operator(visitor_of(message)):
            await self.sender.reply(message, replies.OPERATORS_ONLY)
        elif is_private(message):
            await self.sender.reply(message, replies.LEAVE_GROUPS)
        else:
            await self.sender.reply(message, replies.LEAVING)
            await persistently(message.chat.leave)
