"""Replies to messages, responses to interactions, and "typing"."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, cast

import aiohttp
import discord
import structlog
from discord.utils import MISSING

from bot import languages
from bot.discord.errors import DISCORD_ERRORS, reason
from bot.discord.identity import PLATFORM
from bot.parts import Part
from bot.replies import replies

log = structlog.stdlib.get_logger(__name__)

ACKNOWLEDGED = 40060  # Discord's code for an interaction that is acknowledged already
REPLY_AFTER = 100  # messages after which a reply is not looked for; Discord returns as many at once
ORIGINAL = cast(int, "@original")  # Discord accepts it in place of a message id


async def reply(
    message: discord.Message,
    parts: Sequence[Part],
    *,
    answered: int = 0,
    buttons: discord.ui.View = MISSING,
) -> None:
    """Answer a message; the same answer sent twice within some minutes is shown once.

    Args:
        message: to answer.
        parts: of the answer, each a message, at least one.
        answered: how many pictures of the message were answered before.
        buttons: under the last part.
    """
    nonces = _nonces(message.id, parts, answered)
    for part, nonce in zip(parts, nonces, strict=True):
        below = buttons if part is parts[-1] else MISSING
        await _send(message, part.text, nonce=nonce, buttons=below)


async def say(message: discord.Message, text: str) -> None:
    """Answer a message with one sentence, as `reply` does."""
    await reply(message, [Part(text, 1)])


async def say_failed(message: discord.Message) -> None:
    """Say that a message cannot be answered now; an answer may follow all the same."""
    await _send(message, replies.FAILED, nonce=f"f{message.id}")


async def apologize(message: discord.Message) -> None:
    """Say that a message is given up, in reply to it."""
    await _send(message, replies.GIVEN_UP, nonce=f"g{message.id}")


async def answers_to(message: discord.Message, me: discord.ClientUser | None) -> list[str]:
    """Return what the bot has answered to a message already, although it may not know of it.

    Discord recognizes a repeated answer for some minutes only.
    """
    texts = []
    async for other in message.channel.history(limit=REPLY_AFTER, after=message):
        answers = other.reference is not None and other.reference.message_id == message.id
        if answers and other.author == me and not _says_failed(other.content):
            texts.append(other.content)
    return texts


def _says_failed(text: str) -> bool:
    # The language of the chat may have changed since.
    for code in languages.NAMES:
        with languages.speaking(code):
            if text == replies.FAILED:
                return True
    return False


def _nonces(message: int, parts: Sequence[Part], answered: int) -> Iterator[str]:
    """Yield what each part is recognized by: one that is sent again begins with that picture."""
    piece = 0  # of the answer to one picture
    for part in parts:
        yield f"{message}.{answered}.{piece}" if answered or piece else f"{message}"
        answered, piece = answered + part.ended, 0 if part.ended else piece + 1


async def _send(
    message: discord.Message,
    text: str,
    *,
    nonce: str,
    buttons: discord.ui.View = MISSING,
) -> None:
    await message.channel.send(
        text,
        # A message that was deleted in the meantime is answered without a reference.
        reference=message.to_reference(fail_if_not_exists=False),
        mention_author=False,
        nonce=nonce,  # the library has Discord enforce it: a second message with it is not shown
        view=buttons,
    )


@asynccontextmanager
async def typing(channel: discord.abc.Messageable) -> AsyncIterator[None]:
    """Show that an answer is being made; where that fails, the answer comes without it."""

    async def show() -> None:
        with suppress(*DISCORD_ERRORS):
            async with channel.typing():
                await asyncio.Event().wait()

    showing = asyncio.create_task(show())
    try:
        yield
    finally:
        showing.cancel()


async def whisper(interaction: discord.Interaction[Any], text: str) -> None:
    """Respond to an interaction at once; only the person who asked sees it."""
    await interaction.response.send_message(text, ephemeral=True, suppress_embeds=True)


async def acknowledge(interaction: discord.Interaction[Any], *, ephemeral: bool, own: bool) -> None:
    """Tell Discord that the answer to an interaction follows; more than once does no harm.

    Args:
        interaction: a command or a pressed button.
        ephemeral: only the person who asked will see the answer.
        own: a button is answered by a message of its own; a command always is.
    """
    try:
        await interaction.response.defer(ephemeral=ephemeral, thinking=own)
    except discord.HTTPException as error:
        # The library repeats a request whose response it did not receive.
        if error.code != ACKNOWLEDGED:
            raise


class InteractionWebhook:
    """Answers an acknowledged interaction; its token is enough, also after a restart."""

    def __init__(self, client: discord.Client, application: int, token: str) -> None:
        """Use a client's connection."""
        self._webhook = discord.Webhook.partial(application, token, client=client)
        # The library sends ephemeral messages only through a webhook of this type.
        self._webhook.type = discord.WebhookType.application

    async def edit_original(
        self,
        *,
        text: str = MISSING,
        embed: discord.Embed = MISSING,
        buttons: discord.ui.View = MISSING,
        files: Sequence[discord.File] = MISSING,
    ) -> None:
        """Edit the response that the acknowledgement promised, or a pressed button's message.

        However often it is made, the edit is one answer.
        """
        await self._webhook.edit_message(
            ORIGINAL,
            content=text,
            embed=embed,
            view=buttons,
            attachments=files,
        )

    async def follow_up(
        self,
        text: str,
        *,
        embed: discord.Embed = MISSING,
        buttons: discord.ui.View = MISSING,
        file: discord.File = MISSING,
        ephemeral: bool = False,
    ) -> None:
        """Send another message.

        If it may have arrived, it is not sent again: Discord cannot recognize it, and the person
        can ask again.
        """
        try:
            await self._webhook.send(
                text, embed=embed, view=buttons, file=file, ephemeral=ephemeral
            )
        except (discord.DiscordServerError, aiohttp.ClientError, OSError) as error:
            if isinstance(error, aiohttp.ClientConnectorError):  # it surely did not arrive
                raise
            log.warning("message may have arrived", platform=PLATFORM, reason=reason(error))

    async def whisper(self, text: str) -> None:
        """Send another message that only the person who asked sees."""
        await self.follow_up(text, ephemeral=True)
