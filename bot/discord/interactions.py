"""Commands and buttons that are about photos: recorded, acknowledged, answered."""

import io
import time
from dataclasses import dataclass
from functools import partial
from typing import Any

import discord
from discord.utils import MISSING

from bot import languages, metrics
from bot.access import Refusal
from bot.discord.buttons import buttons_of, buttons_under
from bot.discord.errors import REFUSED, inbox_errors
from bot.discord.identity import PLATFORM, place_of_interaction
from bot.discord.language import language_of_interaction
from bot.discord.photos import Photos, Picture, Reply, pictures_of
from bot.discord.request import PhotoRequest
from bot.discord.sending import InteractionWebhook, acknowledge, whisper
from bot.parts import Part, send_parts
from bot.replies import replies
from bot.services import Services
from bot.store.inbox import Hopeless
from bot.store.inbox_rows import Key

TOKEN_SECONDS = 15 * 60.0  # for which the token of an interaction is valid


@dataclass(frozen=True)
class Interactions:
    """Answers requests through their interaction's webhook, at once or after a restart."""

    client: discord.Client
    photos: Photos
    services: Services

    async def speak(self, interaction: discord.Interaction[Any]) -> None:
        """Speak the language for an interaction, in its task from now on."""
        languages.speak(await language_of_interaction(interaction, self.services.chat_settings))

    async def check_access(self, interaction: discord.Interaction[Any], photos: int = 0) -> bool:
        """Return whether someone may have n photos captioned; whisper the reason if not."""
        visitor = place_of_interaction(interaction).visitor(interaction.user.id)
        refusal = await self.services.access.refuse(visitor, photos)
        if refusal is None:
            return True
        metrics.refused(PLATFORM, refusal.kind)
        await whisper(interaction, _text_of(refusal))
        return False

    async def receive(self, interaction: discord.Interaction[Any], request: PhotoRequest) -> None:
        """Record a request and answer it; if that fails, the inbox tries again later."""
        key = Key(PLATFORM, str(interaction.channel_id or 0), str(interaction.id))
        photos = min(len(request.pictures), self.services.settings.max_photos)
        if not await self.check_access(interaction, photos or int(request.quoted is not None)):
            return
        try:
            new = await self.services.inbox.accept(key, request.reference)
        except Exception:
            await whisper(interaction, replies.FAILED)
            raise

        async def answer() -> None:
            with inbox_errors():
                await acknowledge(interaction, ephemeral=request.ephemeral, own=request.own)
                await self._answer(key, request)

        if new:
            await self.services.inbox.handle(key, answer, partial(self._apologize, key, request))

    async def retry(self, key: Key, reference: dict[str, Any]) -> None:
        """Answer a request that was recorded before."""
        request = PhotoRequest.from_reference(reference)
        languages.speak(languages.nearest(request.language))

        async def answer() -> None:
            with inbox_errors():
                created = discord.utils.snowflake_time(int(key.message)).timestamp()
                if time.time() - created > TOKEN_SECONDS:
                    raise Hopeless("the interaction has expired")
                await self._answer(key, request)

        await self.services.inbox.handle(key, answer, partial(self._apologize, key, request))

    async def _answer(self, key: Key, request: PhotoRequest) -> None:
        if request.what in ("caption", "menu"):
            await self._caption(key, request)
            return
        picture = await self._picture(request)
        if picture is None:
            await self._tell(request, replies.GONE)
        elif request.what in ("look", "scenes"):
            await self._show_attention(request, picture)
        else:
            await self._caption_differently(request, picture)

    async def _caption(self, key: Key, request: PhotoRequest) -> None:
        if not request.pictures:
            await self._webhook(request).edit_original(text=replies.NEEDS_ATTACHMENT)
            return
        most = min(len(request.pictures), self.services.settings.max_photos)
        answered = await self.services.inbox.answered_pictures(key) if most > 1 else 0
        if answered >= most:  # MAX_PHOTOS was lowered since
            return
        reply = await self.photos.caption(request.pictures, answered)
        await self._send(key, request, reply, answered)

    async def _send(self, key: Key, request: PhotoRequest, reply: Reply, answered: int) -> None:
        webhook, parts = self._webhook(request), reply.parts

        async def send(part: Part) -> None:
            last = part is parts[-1]
            embed = _embed(request, reply) if last else MISSING
            buttons = buttons_of(reply, shown=True) if last else MISSING
            if part is parts[0] and not answered:
                await webhook.edit_original(text=part.text, embed=embed, buttons=buttons)
            else:
                await webhook.follow_up(
                    part.text, embed=embed, buttons=buttons, ephemeral=request.ephemeral
                )

        await send_parts(parts, answered, send, partial(self.services.inbox.note_answered, key))

    async def _caption_differently(self, request: PhotoRequest, picture: Picture) -> None:
        another = partial(self.services.answers.another, turn=request.turn, shown=request.shown)
        answer = await self.photos.answer(picture, another, gone=replies.GONE)
        webhook, buttons = self._webhook(request), buttons_under(request.turn + 1)
        if answer.problem:
            await webhook.whisper(answer.text)
        elif answer.text == replies.NOTHING_ELSE:
            await webhook.edit_original(buttons=buttons)
            await webhook.whisper(answer.text)
        else:
            await webhook.edit_original(text=answer.text, buttons=buttons)

    async def _show_attention(self, request: PhotoRequest, picture: Picture) -> None:
        answers = self.services.answers
        show = answers.looked_at_scenes if request.what == "scenes" else answers.looked
        answer = await self.photos.answer(picture, show, gone=replies.GONE)
        if answer.picture is None:
            await self._tell(request, answer.text)
            return
        webhook = self._webhook(request)
        sheet = discord.File(io.BytesIO(answer.picture), "where-i-looked.jpg")
        if request.own:
            await webhook.edit_original(text=answer.text, files=[sheet])
        else:  # a row of an earlier version
            await webhook.follow_up(answer.text, file=sheet, ephemeral=request.ephemeral)

    async def _picture(self, request: PhotoRequest) -> Picture | None:
        found = list(request.pictures)
        if not found and request.quoted is not None:
            channel, message = request.quoted
            try:
                quoted = await self.client.get_partial_messageable(channel).fetch_message(message)
            except REFUSED:
                return None
            found = pictures_of(quoted)
        if request.what == "scenes":
            return found[0] if found else None
        return next((one.still for one in found if one.still), None)

    async def _apologize(self, key: Key, request: PhotoRequest) -> None:
        if await self.services.inbox.answered_pictures(key):  # what has arrived stays
            webhook = self._webhook(request)
            await webhook.follow_up(replies.GIVEN_UP, ephemeral=request.ephemeral)
        else:
            await self._tell(request, replies.GIVEN_UP)

    async def _tell(self, request: PhotoRequest, text: str) -> None:
        webhook = self._webhook(request)
        if request.own or request.what in ("caption", "menu"):
            await webhook.edit_original(text=text)
        else:  # the original is the caption above the button
            await webhook.whisper(text)

    def _webhook(self, request: PhotoRequest) -> InteractionWebhook:
        return InteractionWebhook(self.client, request.application, request.token)


def _embed(request: PhotoRequest, reply: Reply) -> discord.Embed:
    """Return what shows the photo, so that its buttons can find it again; else `MISSING`."""
    picture = reply.picture
    # A frame that nobody has fetched may not exist.
    if picture is None or picture.still is None or (reply.told and picture.framed):
        return MISSING
    embed, address = discord.Embed(), picture.still.url
    if request.what == "caption":
        return embed.set_image(url=address)
    return embed.set_thumbnail(url=address)


def _text_of(refusal: Refusal) -> str:
    # Discord shows an interaction without a response as failed, so every refusal has a text here.
    if refusal.retry_after is not None:
        return replies.too_many(refusal.retry_after)
    return replies.NOT_ALLOWED
