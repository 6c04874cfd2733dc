"""Run the bot on every platform that is configured.

python -m bot            # serve until SIGTERM or Ctrl-C; a second signal stops at once
python -m bot --check    # check settings, checkpoint and tokens, and print what would run
python -m bot --version
python -m bot inbox      # list, retry or forget the messages that were given up; move the inbox
python -m bot feedback   # list, export or forget what people said about captions
"""

import argparse
import asyncio
import signal
import sys
from collections.abc import Sequence
from importlib.metadata import version

from bot.importing import importing
from captioner.interrupt import ending_at_once, run

with importing():
    import structlog

    from bot import captioners, logs, settings, stores
    from bot.adapters import adapters, off
    from bot.check import check
    from bot.settings import Settings, SettingsError
    from bot.store import feedback_command, inbox_command
    from bot.store.errors import DatabaseError
    from bot.stores import Stores
    from bot.supervision import keep_running
    from captioner.output import OutputError, complain, flushing, prepare, say

log = structlog.stdlib.get_logger("bot")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run or check the bot; return 0, or 1 after printing what is wrong."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        with flushing():
            match given[:1]:
                case ["inbox"]:
                    return _inbox(given[1:])
                case ["feedback"]:
                    return _feedback(given[1:])
                case _:
                    return _bot(_parser().parse_args(given))
    except SettingsError as error:
        for key, message in error.problems:
            complain(f"error: {key}: {message}")
    except DatabaseError as error:
        complain(f"error: {error}")
    except OutputError as error:
        complain(f"error: standard output: {error}")
    return 1


def _inbox(given: Sequence[str]) -> int:
    return inbox_command.main(
        given,
        lambda read_only: stores.listed(settings.load(), read_only=read_only),
        lambda: stores.move(settings.load()),
    )


def _feedback(given: Sequence[str]) -> int:
    return feedback_command.main(
        given, lambda read_only: stores.feedback(settings.load(), read_only=read_only)
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bot", description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="check everything, and exit")
    parser.add_argument("--version", action="store_true", help="print the version, and exit")
    parser.add_argument(
        "command",
        nargs="?",
        choices=["inbox", "feedback"],
        help="see `inbox --help` and `feedback --help`",
    )
    return parser


def _bot(args: argparse.Namespace) -> int:
    if args.version:
        say(version("photo-captioner"))
        return 0
    config = settings.load()
    logs.set_up(config.log_level, config.log_format, config.secrets)
    for line in settings.warnings():
        log.warning(line)
    with ending_at_once():  # until there is something to finish
        if args.check:
            return 0 if asyncio.run(check(config)) else 1
        with stores.held(config):
            asyncio.run(_serve(config))
    return 0


async def _serve(config: Settings) -> None:
    stop = asyncio.Event()
    async with captioners.started(config) as captioner, stores.opened(config) as store:
        _stop_on_signals(stop)
        _log_database(config, store)
        tending = asyncio.create_task(store.inbox.tend())
        async with asyncio.TaskGroup() as group:
            made = adapters(config, captioner, store)
            for platform, key in off(config):
                log.info("a platform is off", platform=platform, reason=f"{key} is not set")
            for platform, adapter in made.items():
                group.create_task(keep_running(platform, adapter.run, stop, config.stop_seconds))
        tending.cancel()
    log.info("stopped")


def _stop_on_signals(stop: asyncio.Event) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, _stop, stop)


def _stop(stop: asyncio.Event) -> None:
    stop.set()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().remove_signal_handler(number)
        signal.signal(number, signal.SIG_DFL)
    log.info("stopping after the work in hand; a second signal stops at once")


def _log_database(config: Settings, store: Stores) -> None:
    if config.database_url is None:
        return
    log.info("the store is a database; DATA_DIR is not used", database=store.where)
    if config.inbox_file.exists():
        log.warning(
            "DATA_DIR holds an inbox; move it with: python -m bot inbox move",
            inbox=str(config.inbox_file),
        )


if __name__ == "__main__":
    prepare()
    sys.exit(run(main))
