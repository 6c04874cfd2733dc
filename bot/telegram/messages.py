"""Messages: who may ask, and the answers to photos, videos and albums."""

import asyncio
from collections import deque
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import partial

from telegram import InlineKeyboardMarkup, Message, Update
from telegram.error import TelegramError
from telegram.ext import ApplicationHandlerStop

from bot import metrics
from bot.answers import Answer, despite_failures
from bot.parts import Part, in_parts, send_parts
from bot.replies import replies
from bot.telegram.buttons import buttons_of
from bot.telegram.context import Context, Shared
from bot.telegram.identity import (
    PLATFORM,
    is_channel,
    is_private,
    key_of_message,
    mentions_bot,
    message_of,
    replies_to_bot,
    visitor_of,
)
from bot.telegram.photos import (
    Carrier,
    Moving,
    NoPicture,
    carries_file,
    is_declared,
    quoted_by,
    video_of,
)
from bot.telegram.sending import MAX_UNITS, Sender, typing, units
from captioner import BadImage

BACKLOG = timedelta(minutes=1)  # older messages were sent while the bot was down
APOLOGIES = 100  # albums that are remembered as apologized for


async def guard(update: Update, context: Context) -> None:
    """Stop updates from those who may not use the bot; tell them why if they asked the bot."""
    shared = context.bot_data
    message, query = message_of(update), update.callback_query
    asked = message or query
    if asked is None or shared.services.access.admits(visitor := visitor_of(asked)):
        return
    if query or (message and _asks_bot(message)):
        refusal = await shared.services.access.refuse(visitor)
        assert refusal is not None
        if query:
            await query.answer(refusal.text)
        elif message and refusal.text:
            await shared.sender.reply(message, refusal.text)
    raise ApplicationHandlerStop


async def receive(update: Update, context: Context) -> None:
    """Caption a photo or an album, if the chat is private or somebody asks the bot."""
    message = message_of(update)
    assert message is not None
    async with context.bot_data.albums.complete(message) as album:
        if album:
            await _answer(context.bot_data, album)


async def migrate(update: Update, context: Context) -> None:
    """Move a group's settings to its new id when it becomes a supergroup."""
    message = update.message
    assert message is not None
    old = message.migrate_from_chat_id or message.chat.id
    new = message.migrate_to_chat_id or message.chat.id
    await context.bot_data.services.chat_settings.move(PLATFORM, old, new)


async def caption(
    shared: Shared, pictures: Sequence[Carrier], asked: Message, *, automatic: bool = False
) -> None:
    """Caption some pictures in one reply, or in as many as a long answer needs.

    Of an album whose answer has arrived in part, only the rest is captioned.

    Args:
        shared: what all handlers share.
        pictures: at least one message, or what one quotes from another chat; each has a file.
        asked: the message to answer.
        automatic: nobody asked for it. Then a channel gets captions, but nothing about what went
            wrong: its readers could do nothing about that.

    Raises:
        TelegramError: the reply was not sent.
    """
    services = shared.services
    quiet = automatic and is_channel(asked)
    chosen = pictures[: services.settings.max_photos]
    key, several = key_of_message(asked), len(chosen) > 1
    answered = await services.inbox.answered_pictures(key) if several else 0
    if answered >= len(chosen):  # MAX_PHOTOS was lowered since
        return
    # Photos that waited while the bot was down do not count towards anybody's rate, and those that
    # were partly answered have been counted.
    fresh = datetime.now(UTC) - asked.date < BACKLOG and not answered
    refusal = await services.access.refuse(visitor_of(asked), len(chosen) if fresh else 0)
    if refusal:
        if refusal.text and not quiet:
            await shared.sender.reply(asked, refusal.text)
        return
    async with typing(asked):
        answers = await _captions(shared, chosen[answered:])
    if quiet and not (answered or any(answer.caption for answer in answers)):
        return
    texts = [answer.text for answer in answers]
    if len(pictures) > 1:
        entries = replies.album(texts, len(pictures) - len(chosen), answered)
        await _reply(shared, asked, entries, answered)
        return
    # The buttons find the photo through the quoted message. They change it for everybody, which is
    # not for every reader of a channel to do.
    buttons = None if is_channel(asked) else buttons_of(answers[0])
    quote = chosen[0] if isinstance(chosen[0], Message) else asked
    await _reply(shared, asked, texts, quote=quote, buttons=buttons)


class Apologies:
    """Apologizes for messages that are given up, once for an album."""

    def __init__(self, sender: Sender) -> None:
        """Start with none sent."""
        self.sender = sender
        self._sent: deque[tuple[int, str]] = deque(maxlen=APOLOGIES)  # chat, and album or message

    async def send(self, update: Update) -> None:
        """Tell a chat that a message is given up.

        Raises:
            TelegramError: the apology was not sent.
        """
        message = update.message
        if message is None:  # a button can be pressed again, and a channel is not for apologies
            return
        album = (message.chat.id, message.media_group_id or str(message.message_id))
        if album not in self._sent:
            self._sent.append(album)
            await self.sender.reply(message, replies.GIVEN_UP)


async def _reply(
    shared: Shared,
    asked: Message,
    entries: Sequence[str],
    answered: int = 0,
    *,
    quote: Message | None = None,
    buttons: InlineKeyboardMarkup | None = None,
) -> None:
    """Send an answer; the inbox knows of each part that has arrived before the next one is sent."""
    parts = in_parts(entries, MAX_UNITS, units)

    async def send(part: Part) -> None:
        below = buttons if part is parts[-1] else None
        await shared.sender.reply(asked, part.text, quote=quote, buttons=below)

    note = partial(shared.services.inbox.note_answered, key_of_message(asked))
    await send_parts(parts, answered, send, note)


def _asks_bot(message: Message) -> bool:
    return is_private(message) or replies_to_bot(message) or mentions_bot(message)


async def _answer(shared: Shared, album: Sequence[Message]) -> None:
    first = album[0]
    if is_private(first) or any(_is_for_bot(message) for message in album):
        pictures: list[Carrier] = [message for message in album if carries_file(message)]
        elsewhere = first.external_reply
        if not pictures and is_private(first) and elsewhere and carries_file(elsewhere):
            pictures = [elsewhere]
        if pictures:
            await caption(shared, pictures, asked=first)
        else:
            await shared.sender.reply(first, replies.HINT)
    elif mentions_bot(first) and (quoted := quoted_by(first)):
        await caption(shared, [quoted], asked=first)
    else:
        declared = [message for message in album if is_declared(message)]
        if declared and await shared.services.chat_settings.auto(PLATFORM, first.chat.id):
            await caption(shared, declared, asked=declared[0], automatic=True)


def _is_for_bot(message: Message) -> bool:
    return replies_to_bot(message) or (carries_file(message) and mentions_bot(message))


async def _captions(shared: Shared, pictures: Sequence[Carrier]) -> Sequence[Answer]:
    outcomes = await asyncio.gather(*(_caption(shared, picture) for picture in pictures))
    return despite_failures(outcomes, _unreachable)


async def _caption(shared: Shared, picture: Carrier) -> Answer | TelegramError:
    video = video_of(picture)
    try:
        if video:
            return await _tell(shared, picture, video)
        async with shared.photos.of(picture) as photo:
            return await shared.services.answers.moving_or_still(photo)
    except NoPicture as error:
        return _refused(error)
    except TelegramError as error:
        return error


async def _tell(shared: Shared, carrier: Carrier, video: Moving) -> Answer:
    """Tell a video; if it is too large or cannot be read, caption its preview, if it has one."""
    answers = shared.services.answers
    answer: Answer | None
    try:
        async with shared.photos.video(video) as data:
            answer = await answers.moving_or_still(data)
        if not isinstance(answer.error, BadImage):
            return answer
    except NoPicture as error:
        answer, refusal = None, error
    try:
        async with shared.photos.of(carrier) as photo:
            return await answers.preview(photo)
    except NoPicture:
        return answer or _refused(refusal)


def _refused(error: NoPicture) -> Answer:
    metrics.refused(PLATFORM, error.kind)
    return Answer(str(error), problem=error.kind)


def _unreachable() -> Answer:
    metrics.refused(PLATFORM, "unreachable")
    return Answer(replies.UNREACHABLE, problem="failed")
