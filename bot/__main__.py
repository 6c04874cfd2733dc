"""Run the bot on every platform that is configured.

python -m bot            # serve until SIGTERM or Ctrl-C; a second signal stops at once
python -m bot --check    # check settings, checkpoint and tokens, and print what would run
python -m bot --version
python -m bot inbox      # list, retry or forget the messages that were given up
"""

import argparse
import asyncio
import io
import signal
import sys
import time
from collections.abc import Sequence
from functools import partial
from importlib.metadata import version
from typing import Protocol

from captioner.interrupt import INTERRUPTED, run

try:
    import structlog
    from aiohttp import web

    from bot import logs, metrics, replies, settings
    from bot.access import Access
    from bot.answers import Answers
    from bot.discord.adapter import Discord
    from bot.platforms import DISCORD, TELEGRAM, TITLES, WEB, Platform
    from bot.services import Services
    from bot.settings import SettingProblem, Settings, SettingsError
    from bot.stats import Stats
    from bot.store import inbox_command
    from bot.store.chat_settings import ChatSettings
    from bot.store.database import DatabaseError
    from bot.store.inbox import Inbox
    from bot.supervision import PlatformError, keep_running
    from bot.telegram.adapter import Telegram
    from bot.web.adapter import WebChat
except ModuleNotFoundError as error:
    sys.exit(f"{error}. The bot needs: pip install -e '.[bot]'")
except KeyboardInterrupt:
    sys.exit(INTERRUPTED)

from PIL import Image

from captioner import Captioner, Options
from captioner.checkpoint import CheckpointError
from captioner.explain import PHOTO_SIDE
from captioner.photo.decode import Limits
from captioner.runtime.errors import UnusableError
from captioner.runtime.select import unused_gpu
from captioner.serving import ServingConfig
from captioner.shipped import name_of

log = structlog.stdlib.get_logger("bot")


class Adapter(Protocol):
    """What the adapter of every platform can do."""

    async def run(self, stop: asyncio.Event) -> None:
        """Serve until `stop` is set, then finish the work in hand."""

    async def check(self) -> str:
        """Describe what would run; raise `PlatformError` if it cannot run."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run or check the bot; return 0, or 1 after printing what is wrong."""
    parser = argparse.ArgumentParser(prog="python -m bot", description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="check everything, and exit")
    parser.add_argument("--version", action="store_true", help="print the version, and exit")
    parser.add_argument("command", nargs="?", choices=["inbox"], help="see `inbox --help`")
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        if given[:1] == ["inbox"]:
            return inbox_command.main(given[1:], _inbox(settings.load()))
        args = parser.parse_args(given)
        if args.version:
            print(version("photo-captioner"))
            return 0
        config = settings.load()
        secrets = [
            token.get_secret_value()
            for token in (config.telegram_bot_token, config.discord_bot_token, config.web_token)
            if token
        ]
        logs.set_up(config.log_level, config.log_format, secrets)
        for line in settings.warnings():
            log.warning(line)
        captioner = _captioner(config)
        return asyncio.run(_check(config, captioner) if args.check else _serve(config, captioner))
    except SettingsError as error:
        for key, message in error.problems:
            print(f"error: {key}: {message}", file=sys.stderr)
    except DatabaseError as error:
        print(f"error: {error}", file=sys.stderr)
    return 1


def _captioner(config: Settings) -> Captioner:
    pixels = int(config.max_megapixels * 1e6)
    limits = Limits(config.max_bytes, pixels, seconds=config.decode_seconds)
    try:
        return Captioner.load(
            config.captioner_checkpoint,
            config.captioner_device,
            runtime=config.captioner_runtime,
            serving=ServingConfig(limits, max_queue=config.max_queue),
            observe=metrics.observe,
        )
    except CheckpointError as error:
        raise SettingsError(SettingProblem("CAPTIONER_CHECKPOINT", str(error))) from error
    except UnusableError as error:
        key = f"CAPTIONER_{error.setting.upper()}"
        raise SettingsError(SettingProblem(key, str(error))) from error


async def _serve(config: Settings, captioner: Captioner) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, _stop, stop)
    async with captioner, _chat_settings(config) as chat_settings, _inbox(config) as inbox:
        tending = asyncio.create_task(inbox.tend())
        async with asyncio.TaskGroup() as group:
            for platform, adapter in _adapters(config, captioner, chat_settings, inbox).items():
                group.create_task(keep_running(platform, adapter.run, stop, config.stop_seconds))
        tending.cancel()
    log.info("stopped")
    return 0


async def _check(config: Settings, captioner: Captioner) -> int:
    model = captioner.config
    network = f"{_network(captioner)}, {captioner.device}, {model.vocabulary_size} words"
    failed = False
    async with captioner, _chat_settings(config) as chat_settings, _inbox(config) as inbox:
        started = time.monotonic()
        await captioner.caption(_test_photo())
        print(f"Captioner: {network}; a test photo took {time.monotonic() - started:.1f} s")
        if line := unused_gpu(config.captioner_device, config.captioner_runtime):
            print(line)
        states = await inbox.counts()
        rows = f"{states.get('open', 0)} messages open, {states.get('given up', 0)} given up"
        print(f"Data: {config.data_dir.resolve()}; {rows}")
        print(_access_line(config))
        for adapter in _adapters(config, captioner, chat_settings, inbox).values():
            try:
                print(await adapter.check())
            except PlatformError as error:
                failed = True
                print(f"error: {error}", file=sys.stderr)
    for platform, token in (
        (TELEGRAM, config.telegram_bot_token),
        (DISCORD, config.discord_bot_token),
    ):
        if token is None:
            print(f"{TITLES[platform]}: off; {platform.upper()}_BOT_TOKEN is not set")
    return int(failed)


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
    config: Settings, captioner: Captioner, chat_settings: ChatSettings, inbox: Inbox
) -> dict[Platform, Adapter]:
    stats = Stats(inbox, lambda: captioner.waiting).text
    access_for = partial(
        Access, allowed=config.allowed, blocked=config.blocked, operators=config.operators
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
    )
    shipped = name_of(config.captioner_checkpoint)
    about = replies.about(_network(captioner), captioner.metadata.scores, shipped=shipped)

    def services(platform: Platform) -> Services:
        return Services(config, answers(platform), chat_settings, inbox, access, about, stats)

    adapters: dict[Platform, Adapter] = {}
    routes = []
    if config.telegram_bot_token:
        telegram = Telegram(services(TELEGRAM))
        adapters[TELEGRAM] = telegram
        if config.telegram_webhook_url:
            routes.append(web.post("/telegram", telegram.webhook))
    if config.discord_bot_token:
        adapters[DISCORD] = Discord(services(DISCORD))
    chat = WebChat(config, answers(WEB), about, lambda: captioner.waiting, web_access, routes)
    return {WEB: chat, **adapters}


def _network(captioner: Captioner) -> str:
    model = captioner.config
    depth = model.encoder.removeprefix("resnet")
    return f"ResNet-{depth} with {'an attention' if model.attention else 'an'} {model.cell.upper()}"


def _chat_settings(config: Settings) -> ChatSettings:
    return ChatSettings(config.data_dir / "chats.sqlite3")


def _inbox(config: Settings) -> Inbox:
    return Inbox(config.data_dir / "inbox.sqlite3", config.max_attempts, config.keep_days)


def _stop(stop: asyncio.Event) -> None:
    stop.set()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().remove_signal_handler(number)
        signal.signal(number, signal.SIG_DFL)
    log.info("stopping after the work in hand; a second signal stops at once")


if __name__ == "__main__":
    sys.exit(run(main))
