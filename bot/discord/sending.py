"""Replies to messages, responses to interactions, and "typing"."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, cast

import discord
from discord.utils import MISSING

from bot import replies
from bot.discord.errors import DISCORD_ERRORS

ACKNOWLEDGED = 40060  # Discord's code for an interaction that is acknowledged already
ORIGINAL = cast(int, "@original")  # Discord accepts it in place of a message id


async def reply(message: discord.Message, text: str, *, buttons: discord.ui.View = MISSING) -> None:
    """Reply to a message; the same reply sent twice within some minutes is shown once."""
    await message.channel.send(
        text,
        # A message that was deleted in the meantime is answered without a reference.
        reference=message.to_reference(fail_if_not_exists=False),
        mention_author=False,
        nonce=message.id,  # a repeated nonce tells Discord that it is the same reply
        view=buttons,
    )


async def apologize(channel: discord.PartialMessageable, message: int) -> None:
    """Say that a message is given up, in reply to it."""
    reference = channel.get_partial_message(message).to_reference(fail_if_not_exists=False)
    await channel.send(replies.GIVEN_UP, reference=reference, mention_author=False)


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


async def acknowledge(interaction: discord.Interaction[Any], *, ephemeral: bool) -> None:
    """Tell Discord that the answer to an interaction follows; more than once does no harm."""
    try:
        await interaction.response.defer(ephemeral=ephemeral)
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
    ) -> None:
        """Edit the response that the acknowledgement promised, or a pressed button's message."""
        await self._webhook.edit_message(ORIGINAL, content=text, embed=embed, view=buttons)

    async def follow_up(
        self, text: str, *, file: discord.File = MISSING, ephemeral: bool = False
    ) -> None:
        """Send another message."""
        await self._webhook.send(text, file=file, ephemeral=ephemeral)

    async def whisper(self, text: str) -> None:
        """Send another message that only the person who asked sees."""
        await self.follow_up(text, ephemeral=True)
