"""Commands and buttons that are about photos: recorded, acknowledged, answered."""

import io
import time
from dataclasses import dataclass
from functools import partial
from typing import Any

import discord
from discord.utils import MISSING

from bot import metrics, replies
from bot.access import Access, Refusal
from bot.discord.buttons import buttons_under
from bot.discord.errors import REFUSED, judged
from bot.discord.identity import PLATFORM, place_of_interaction
from bot.discord.photos import Photos, Picture, pictures
from bot.discord.request import Asked
from bot.discord.sending import InteractionWebhook, acknowledge, whisper
from bot.store.inbox import Hopeless, Inbox
from bot.store.inbox_rows import Key

TOKEN_SECONDS = 15 * 60.0


@dataclass(frozen=True)
class Interactions:
    """Answers through an interaction's webhook, which is the same thing after a restart."""

    client: discord.Client
    photos: Photos
    inbox: Inbox
    access: Access

    async def admit(self, interaction: discord.Interaction[Any], photos: int = 0) -> bool:
        """Let someone in who brings so many photos, or say to them alone why not."""
        place = place_of_interaction(interaction)
        refusal = self.access.refuse(place.visitor(interaction.user.id), photos)
        if refusal is None:
            return True
        metrics.refused(PLATFORM, refusal.kind)
        await whisper(interaction, _said(refusal))
        return False

    async def take(self, interaction: discord.Interaction[Any], asked: Asked) -> None:
        """Answer what is asked, now or when the inbox tries again."""
        key = Key(PLATFORM, str(interaction.channel_id or 0), str(interaction.id))
        photos = min(len(asked.pictures), self.photos.settings.max_photos)
        if not await self.admit(interaction, photos or int(asked.quoted is not None)):
            return
        try:
            new = await self.inbox.accept(key, asked.reference)
        except Exception:
            await whisper(interaction, replies.FAILED)
            raise

        async def answer() -> None:
            with judged():
                await acknowledge(interaction, ephemeral=asked.ephemeral)
                await self._answer(asked)

        if new:
            await self.inbox.handle(key, answer, partial(self._apologize, asked))

    async def again(self, key: Key, reference: dict[str, Any]) -> None:
        """Answer what was recorded before."""
        asked = Asked.restored(reference)

        async def answer() -> None:
            with judged():
                asked_at = discord.utils.snowflake_time(int(key.message)).timestamp()
                if time.time() - asked_at > TOKEN_SECONDS:
                    raise Hopeless("the interaction is over")
                await self._answer(asked)

        await self.inbox.handle(key, answer, partial(self._apologize, asked))

    async def _answer(self, asked: Asked) -> None:
        if asked.what in ("caption", "menu"):
            await self._caption(asked)
            return
        picture = await self._picture(asked)
        if picture is None:
            await self._webhook(asked).whisper(replies.GONE)
        elif asked.what == "look":
            await self._look(asked, picture)
        else:
            await self._another(asked, picture)

    async def _caption(self, asked: Asked) -> None:
        if not asked.pictures:
            await self._webhook(asked).edit_original(text=replies.NEEDS_ATTACHMENT)
            return
        reply = await self.photos.describe(asked.pictures)
        # The answer shows the photo, so that the buttons find it again.
        embed, address = discord.Embed(), asked.pictures[0].url
        if asked.what == "caption":
            embed.set_image(url=address)
        else:
            embed.set_thumbnail(url=address)
        await self._webhook(asked).edit_original(
            text=reply.text,
            embed=embed if reply.picture else MISSING,
            buttons=buttons_under() if reply.picture else MISSING,
        )

    async def _another(self, asked: Asked, picture: Picture) -> None:
        ask = partial(self.photos.answers.another, turn=asked.turn, shown=asked.shown)
        answer = await self.photos.ask(picture, ask, lost=replies.GONE)
        if answer.problem:
            await self._webhook(asked).whisper(answer.text)
        elif answer.text == replies.NOTHING_ELSE:
            await self._webhook(asked).edit_original(buttons=buttons_under(asked.turn + 1))
            await self._webhook(asked).whisper(answer.text)
        else:
            await self._webhook(asked).edit_original(
                text=answer.text, buttons=buttons_under(asked.turn + 1)
            )

    async def _look(self, asked: Asked, picture: Picture) -> None:
        answer = await self.photos.ask(picture, self.photos.answers.looked, lost=replies.GONE)
        if answer.picture is None:
            await self._webhook(asked).whisper(answer.text)
            return
        sheet = discord.File(io.BytesIO(answer.picture), "where-i-looked.jpg")
        await self._webhook(asked).follow_up(answer.text, file=sheet, ephemeral=asked.ephemeral)

    async def _picture(self, asked: Asked) -> Picture | None:
        found = list(asked.pictures)
        if not found and asked.quoted is not None:
            channel, message = asked.quoted
            try:
                quoted = await self.client.get_partial_messageable(channel).fetch_message(message)
            except REFUSED:
                return None
            found = pictures(quoted)
        return found[0] if found else None

    async def _apologize(self, asked: Asked) -> None:
        if asked.what in ("caption", "menu"):
            await self._webhook(asked).edit_original(text=replies.GIVEN_UP)
        else:
            await self._webhook(asked).whisper(replies.GIVEN_UP)

    def _webhook(self, asked: Asked) -> InteractionWebhook:
        return InteractionWebhook(self.client, asked.application, asked.token)


def _said(refusal: Refusal) -> str:
    # Silence would be shown as a failure.
    if refusal.retry_after is not None:
        return replies.too_many(refusal.retry_after)
    return replies.NOT_ALLOWED
