"""The adapters of the platforms that are on, each with what it needs."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Protocol

from aiohttp import web

from bot import captioners
from bot.about import about
from bot.access import Access
from bot.answers import Answers
from bot.importing import importing
from bot.platforms import DISCORD, TELEGRAM, WEB, Platform
from bot.replies import replies
from bot.services import Services
from bot.settings import Settings
from bot.stats import Stats
from bot.stores import Stores
from bot.web.adapter import Unready, WebChat
from captioner import Busy, Options
from captioner.explain import PHOTO_SIDE

if TYPE_CHECKING:
    from captioner import Captioner
    from captioner.remote.captioner import RemoteCaptioner


class Adapter(Protocol):
    """What the adapter of every platform can do."""

    async def run(self, stop: asyncio.Event) -> None:
        """Serve until `stop` is set, then finish the work in hand."""

    async def check(self) -> str:
        """Describe what would run; raise `PlatformError` if it cannot run."""


def adapters(
    config: Settings, captioner: "Captioner | RemoteCaptioner", store: Stores
) -> dict[Platform, Adapter]:
    """Make the adapters of the platforms that are on, the web chat's first."""
    answers = _answers(config, captioner)
    services = _services(config, captioner, store, answers)
    others: dict[Platform, Adapter] = {}
    routes = []
    # A platform's library takes a third of the start, so only those that are on are imported.
    if config.telegram_bot_token:
        with importing():
            from bot.telegram.adapter import Telegram
        telegram = Telegram(services(TELEGRAM))
        others[TELEGRAM] = telegram
        if config.telegram_webhook_url:
            routes.append(web.post("/telegram", telegram.webhook))
    if config.discord_bot_token:
        with importing():
            from bot.discord.adapter import Discord
        others[DISCORD] = Discord(services(DISCORD), store.lane)
    return {WEB: _web_chat(config, captioner, store, answers(WEB), routes), **others}


def _answers(
    config: Settings, captioner: "Captioner | RemoteCaptioner"
) -> Callable[[Platform], Answers]:
    return partial(
        Answers,
        captioner.caption,
        captioner.caption_video,
        partial(captioner.pixels, max_side=PHOTO_SIDE),
        options=Options(beam=config.beam),
        deadline=config.photo_seconds,
        check_room=captioner.check_room,
        languages=captioner.languages,
    )


def _services(
    config: Settings,
    captioner: "Captioner | RemoteCaptioner",
    store: Stores,
    answers: Callable[[Platform], Answers],
) -> Callable[[Platform], Services]:
    """Return what makes the services of a platform; all share the rates of people and chats."""
    access = _access(config, store, config.photos_per_person, config.photos_per_chat)
    about_here = partial(_described, captioner, config, about.text)
    stats = Stats(store.inbox, lambda: captioner.waiting).text

    def services(platform: Platform) -> Services:
        chats, inbox = store.chat_settings, store.inbox
        return Services(config, answers(platform), chats, inbox, access, about_here, stats)

    return services


def _web_chat(
    config: Settings,
    captioner: "Captioner | RemoteCaptioner",
    store: Stores,
    answers: Answers,
    routes: Sequence[web.AbstractRouteDef],
) -> WebChat:
    return WebChat(
        config,
        answers,
        partial(_described, captioner, config, about.model),
        lambda: captioner.waiting,
        _access(config, store, config.photos_per_address, config.photos_per_address),
        routes,
        partial(_unready, captioner, store),
        model=partial(captioners.model_name, captioner, config),
        feedback=store.feedback,
        store=store.mark,
    )


def _access(config: Settings, store: Stores, per_person: str, per_chat: str) -> Access:
    return Access(
        per_person,
        per_chat,
        allowed=config.allowed,
        blocked=config.blocked,
        operators=config.operators,
        spend=store.spend,
    )


def _described(
    captioner: "Captioner | RemoteCaptioner", config: Settings, say: Callable[..., str]
) -> str:
    try:
        model = captioners.about(captioner, config)
    except Busy as error:
        return replies.busy(error)
    return say(captioners.network(model.config), model.scores, shipped=model.shipped)


def _unready(captioner: "Captioner | RemoteCaptioner", store: Stores) -> Unready | None:
    if store.lost():
        return "no database"
    return "captioner unreachable" if captioners.problem(captioner) else None


def off(config: Settings) -> Iterator[tuple[Platform, str]]:
    """Yield each platform that does not run, and the key that would start it."""
    if config.telegram_bot_token is None:
        yield TELEGRAM, "TELEGRAM_BOT_TOKEN"
    if config.discord_bot_token is None:
        yield DISCORD, "DISCORD_BOT_TOKEN"
