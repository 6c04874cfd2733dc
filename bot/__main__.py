"""The bot: settings, then the captioner, then every platform that is configured.

python -m bot            # serve until SIGTERM or Ctrl-C; a second one leaves at once
python -m bot --check    # verify settings, checkpoint and tokens, and say what would run
"""

import argparse
import asyncio
import logging
import signal
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Protocol

try:
    from aiohttp import web

    from bot import logs, metrics, replies, settings
    from bot.answers import Answers
    from bot.chats import Chats, ChatsError
    from bot.discord_bot import Discord
    from bot.errors import PlatformError
    from bot.settings import Settings, SettingsError
    from bot.supervision import keep_running
    from bot.telegram_bot import Telegram
    from bot.web_chat import WebChat
except ModuleNotFoundError as error:
    sys.exit(f"{error}. The bot needs: pip install -e '.[bot]'")

from captioner import Captioner, Options
from captioner.captioner import DEFAULT_CHECKPOINT
from captioner.checkpoint import CheckpointError
from captioner.image import Limits

log = logging.getLogger("bot")


class Platform(Protocol):
    """What every adapter is."""

    async def run(self, stop: asyncio.Event) -> None:
        """Serve until `stop` is set, then finish what is in hand."""

    async def check(self) -> str:
        """Say what would run; raise `PlatformError` where it could not."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the bot, or check it; return 0, or 1 after saying what is wrong."""
    parser = argparse.ArgumentParser(prog="python -m bot", description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="verify everything, and leave")
    args = parser.parse_args(arguments)
    try:
        config = settings.load()
        secrets = [
            token.get_secret_value()
            for token in (config.telegram_bot_token, config.discord_bot_token)
            if token
        ]
        logs.set_up(config.log_level, secrets)
        for line in settings.unknown_keys():
            log.warning("%s", line)
        captioner = _captioner(config)
        return asyncio.run(_check(config, captioner) if args.check else _serve(config, captioner))
    except (ChatsError, SettingsError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def _captioner(config: Settings) -> Captioner:
    try:
        return Captioner.load(
            config.captioner_checkpoint,
            config.captioner_device,
            limits=_limits(config),
            max_queue=config.max_queue,
            observe=metrics.observe,
        )
    except CheckpointError as error:
        raise SettingsError(f"CAPTIONER_CHECKPOINT: {error}") from error
    except ValueError as error:
        raise SettingsError(f"CAPTIONER_DEVICE: {error}") from error


def _limits(config: Settings) -> Limits:
    return Limits(config.max_bytes, int(config.max_megapixels * 1e6))


async def _serve(config: Settings, captioner: Captioner) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, _stop, stop)
    async with captioner, Chats(_chats_file(config)) as chats, asyncio.TaskGroup() as group:
        for name, platform in _platforms(config, captioner, chats).items():
            group.create_task(keep_running(name, platform.run, stop, config.stop_seconds))
    log.info("stopped")
    return 0


async def _check(config: Settings, captioner: Captioner) -> int:
    model = captioner.checkpoint.model.config
    print(f"Captioner: {_network(captioner)}, {captioner.device}, {model.vocabulary_size} words")
    failed = False
    async with Chats(_chats_file(config)) as chats:
        print(f"Data: {config.data_dir.resolve()}")
        for platform in _platforms(config, captioner, chats).values():
            try:
                print(await platform.check())
            except PlatformError as error:
                failed = True
                print(f"error: {error}", file=sys.stderr)
    for name in ("Telegram", "Discord"):
        if getattr(config, f"{name.lower()}_bot_token") is None:
            print(f"{name}: off; {name.upper()}_BOT_TOKEN is not set")
    return int(failed)


def _platforms(config: Settings, captioner: Captioner, chats: Chats) -> dict[str, Platform]:
    answers = partial(
        Answers,
        captioner.caption,
        options=Options(beam=config.beam),
        limits=_limits(config),
        deadline=config.photo_seconds,
    )
    shipped = config.captioner_checkpoint == DEFAULT_CHECKPOINT
    about = replies.about(_network(captioner), captioner.checkpoint.scores, shipped=shipped)
    platforms: dict[str, Platform] = {}
    routes = []
    if config.telegram_bot_token:
        telegram = Telegram(config, answers("telegram"), chats, about)
        platforms["Telegram"] = telegram
        if config.telegram_webhook_url:
            routes.append(web.post("/telegram", telegram.webhook))
    if config.discord_bot_token:
        platforms["Discord"] = Discord(config, answers("discord"), chats, about)
    chat = WebChat(config, answers("web"), about, lambda: captioner.waiting, routes)
    return {"Web chat": chat, **platforms}


def _network(captioner: Captioner) -> str:
    model = captioner.checkpoint.model.config
    depth = model.encoder.removeprefix("resnet")
    return f"ResNet-{depth} with {'an attention' if model.attention else 'an'} {model.cell.upper()}"


def _chats_file(config: Settings) -> Path:
    return config.data_dir / "chats.sqlite3"


def _stop(stop: asyncio.Event) -> None:
    stop.set()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().remove_signal_handler(number)
        signal.signal(number, signal.SIG_DFL)
    log.info("stopping: what is in hand is finished; once more to leave at once")


if __name__ == "__main__":
    sys.exit(main())
