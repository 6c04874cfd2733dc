"""Run the bot on every platform that is configured.

python -m bot            # serve until SIGTERM or Ctrl-C; a second signal stops at once
python -m bot --check    # check settings, checkpoint and tokens, and print what would run
python -m bot --version
python -m bot inbox      # list, retry or forget the messages that were given up; move the inbox
python -m bot feedback   # list, export or forget what people said about captions
"""

import argparse
import asyncio
import io
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING, Protocol

from captioner.interrupt import ending_at_once, run


@contextmanager
def importing() -> Iterator[None]:
    """Import libraries of the bot; end the program with one line if one is missing."""
    try:
        with ending_at_once():  # they take a second
            yield
    except ModuleNotFoundError as error:
        sys.exit(f"{error}. The bot needs: pip install -e '.[bot]'")


with importing():
    import structlog
    from aiohttp import web
    from PIL import Image

    from bot import captioners, logs, settings, stores
    from bot.about import about
    from bot.access import Access
    from bot.answers import Answers
    from bot.platforms import DISCORD, TELEGRAM, TITLES, WEB, Platform
    from bot.replies import replies
    from bot.services import Services
    from bot.settings import Settings, SettingsError
    from bot.stats import Stats
    from bot.store import feedback_command, inbox_command
    from bot.store.errors import DatabaseError
    from bot.store.sqlite import folder
    from bot.stores import Stores
    from bot.supervision import PlatformError, keep_running
    from bot.web.adapter import AddressInUse, Unready, WebChat
    from captioner import Busy, Options
    from captioner.config import ModelConfig
    from captioner.explain import PHOTO_SIDE
    from captioner.output import OutputError, complain, flush, prepare, say
    from captioner.runtime.select import unused_gpu

if TYPE_CHECKING:
    from captioner import Captioner
    from captioner.remote import RemoteCaptioner

log = structlog.stdlib.get_logger("bot")


class Adapter(Protocol):
    """What the adapter of every platform can do."""

    async def run(self, stop: asyncio.Event) -> None:
        """Serve until `stop` is set, then finish the work in hand."""

    async def check(self) -> str:
        """Describe what would run; raise `PlatformError` if it cannot run."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run or check the bot; return 0, or 1 after printing what is wrong."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        try:
            return _command(given)
        except SystemExit:  # the help is printed, or a wrong argument is named
            if sys.stdout is not None:
                flush()
            raise
    except SettingsError as error:
        for key, message in error.problems:
            complain(f"error: {key}: {message}")
    except DatabaseError as error:
        complain(f"error: {error}")
    except OutputError as error:
        complain(f"error: standard output: {error}")
    return 1


def _command(given: Sequence[str]) -> int:
    if given[:1] == ["inbox"]:
        return inbox_command.main(
            given[1:],
            lambda read_only: stores.listed(settings.load(), read_only=read_only),
            lambda: stores.move(settings.load()),
        )
    if given[:1] == ["feedback"]:
        return feedback_command.main(
            given[1:], lambda read_only: stores.feedback(settings.load(), read_only=read_only)
        )
    parser = argparse.ArgumentParser(prog="python -m bot", description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="check everything, and exit")
    parser.add_argument("--version", action="store_true", help="print the version, and exit")
    parser.add_argument(
        "command",
        nargs="?",
        choices=["inbox", "feedback"],
        help="see `inbox --help` and `feedback --help`",
    )
    args = parser.parse_args(given)
    if args.version:
        say(version("photo-captioner"))
        return 0
    config = settings.load()
    logs.set_up(config.log_level, config.log_format, config.secrets)
    for line in settings.warnings():
        log.warning(line)
    with ending_at_once():  # until there is something to finish
        if args.check:
            return asyncio.run(_check(config))
        with stores.held(config):
            return asyncio.run(_serve(config))


async def _serve(config: Settings) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    async with captioners.started(config) as captioner, stores.opened(config) as store:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, _stop, stop)
        if config.database_url is not None:
            log.info("the store is a database; DATA_DIR is not used", database=store.where)
            if config.inbox_file.exists():
                log.warning(
                    "DATA_DIR holds an inbox; move it with: python -m bot inbox move",
                    inbox=str(config.inbox_file),
                )
        tending = asyncio.create_task(store.inbox.tend())
        async with asyncio.TaskGroup() as group:
            adapters = _adapters(config, captioner, store)
            for off, key in _off(config):
                log.info("a platform is off", platform=off, reason=f"{key} is not set")
            for platform, adapter in adapters.items():
                group.create_task(keep_running(platform, adapter.run, stop, config.stop_seconds))
        tending.cancel()
    log.info("stopped")
    return 0


async def _check(config: Settings) -> int:
    failed = False
    user = None
    if config.database_url is None:
        folder.check(config.data_dir)
        user = folder.holder(config.data_dir)
    async with (
        captioners.started(config) as captioner,
        stores.opened(config, read_only=True) as store,
    ):
        say(await _captioner_line(captioner, config))
        if not config.captioner_url and (
            line := unused_gpu(config.captioner_device, config.captioner_runtime)
        ):
            say(line)
        states = await store.inbox.rows.counts()
        rows = f"{states.get('open', 0)} messages open, {states.get('given up', 0)} given up"
        say(f"Data: {store.where}{_use(config, user)}; {rows}")
        say(_access_line(config))
        if store.feedback is not None:
            say("Feedback: on; captions, corrections and hashes of photos are kept, and no photo")
        for adapter in _adapters(config, captioner, store).values():
            try:
                say(await adapter.check())
            except AddressInUse as error:
                if user is None:
                    failed = True
                    complain(f"error: {error}")
                else:
                    say(f"Web chat: {error.address}, in use; probably by the bot that runs")
            except PlatformError as error:
                failed = True
                complain(f"error: {error}")
    for platform, key in _off(config):
        say(f"{TITLES[platform]}: off; {key} is not set")
    return int(failed)


async def _captioner_line(captioner: "Captioner | RemoteCaptioner", config: Settings) -> str:
    if problem := captioners.problem(captioner):
        raise captioners.unusable(problem)
    about = captioners.about(captioner, config)
    network = f"{_network(about.config)}, {about.device}, {about.config.vocabulary_size} words"
    started = time.monotonic()
    try:
        await captioner.caption(_test_photo())
    except Busy as error:
        raise captioners.unusable(str(error)) from error
    return f"Captioner: {network}; a test photo took {time.monotonic() - started:.1f} s"


def _off(config: Settings) -> Iterator[tuple[Platform, str]]:
    """Yield each platform that does not run, and the key that would start it."""
    if config.telegram_bot_token is None:
        yield TELEGRAM, "TELEGRAM_BOT_TOKEN"
    if config.discord_bot_token is None:
        yield DISCORD, "DISCORD_BOT_TOKEN"


def _use(config: Settings, user: folder.Holder | None) -> str:
    if config.database_url is not None:
        return "; DATA_DIR is not used"
    if user is not None:
        return f", in use by a bot ({user})"
    return "" if config.data_dir.exists() else ", which the bot will create"


def _access_line(config: Settings) -> str:
    allowed = f"{len(config.allowed)} allowed" if config.allowed else "everyone"
    return (
        f"Access: {allowed}; {len(config.blocked)} blocked; {len(config.operators)} operators; "
        f"photos: {config.photos_per_person} per person, {config.photos_per_chat} per chat, "
        f"{config.photos_per_address} per web address"
    )


def _test_photo() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (640, 480), "skyblue").save(file, "JPEG")
    return file.getvalue()


def _adapters(
    config: Settings, captioner: "Captioner | RemoteCaptioner", store: Stores
) -> dict[Platform, Adapter]:
    def waiting() -> int:
        return captioner.waiting

    def unready() -> Unready | None:
        if store.lost():
            return "no database"
        return "captioner unreachable" if captioners.problem(captioner) else None

    stats = Stats(store.inbox, waiting).text
    access_for = partial(
        Access,
        allowed=config.allowed,
        blocked=config.blocked,
        operators=config.operators,
        spend=store.spend,
    )
    access = access_for(config.photos_per_person, config.photos_per_chat)
    web_access = access_for(config.photos_per_address, config.photos_per_address)
    answers = partial(
        Answers,
        captioner.caption,
        partial(captioner.pixels, max_side=PHOTO_SIDE),
        options=Options(beam=config.beam),
        deadline=config.photo_seconds,
        check_room=captioner.check_room,
        languages=captioner.languages,
        caption_video=getattr(captioner, "caption_video", None),  # a remote one may have none
    )

    def described(say: Callable[..., str]) -> str:
        try:
            model = captioners.about(captioner, config)
        except Busy as error:
            return replies.busy(error)
        return say(_network(model.config), model.scores, shipped=model.shipped)

    in_a_chat = partial(described, about.text)
    on_the_page = partial(described, about.model)

    def services(platform: Platform) -> Services:
        chats, inbox = store.chat_settings, store.inbox
        return Services(config, answers(platform), chats, inbox, access, in_a_chat, stats)

    adapters: dict[Platform, Adapter] = {}
    routes = []
    # A platform's library takes a third of the start, so only those that are on are imported.
    if config.telegram_bot_token:
        with importing():
            from bot.telegram.adapter import Telegram
        telegram = Telegram(services(TELEGRAM))
        adapters[TELEGRAM] = telegram
        if config.telegram_webhook_url:
            routes.append(web.post("/telegram", telegram.webhook))
    if config.discord_bot_token:
        with importing():
            from bot.discord.adapter import Discord
        adapters[DISCORD] = Discord(services(DISCORD), store.lane)
    chat = WebChat(
        config,
        answers(WEB),
        on_the_page,
        waiting,
        web_access,
        routes,
        unready,
        model=partial(captioners.model_name, captioner, config),
        feedback=store.feedback,
    )
    return {WEB: chat, **adapters}


def _network(model: ModelConfig) -> str:
    depth = model.encoder.removeprefix("resnet")
    return f"ResNet-{depth} with {'an attention' if model.attention else 'an'} {model.cell.upper()}"


def _stop(stop: asyncio.Event) -> None:
    stop.set()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().remove_signal_handler(number)
        signal.signal(number, signal.SIG_DFL)
    log.info("stopping after the work in hand; a second signal stops at once")


if __name__ == "__main__":
    prepare()
    sys.exit(run(main))
