"""`python -m bot inbox`: list, retry or forget the messages that the bot gave up."""

import argparse
import asyncio
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from bot.store.errors import DatabaseError
from bot.store.inbox import Inbox
from bot.store.inbox_rows import InboxRow, Key
from captioner.output import complain, say

HELP = """Shows the messages that the bot gave up or has not answered yet. A bot that is running
retries a message within seconds; otherwise the next start does. Name messages as the list shows
them; "all" means every message that was given up."""
ABSENT = "there is no inbox; the bot creates it when it starts. Set DATA_DIR to the bot's folder"
DONE = {"retry": "to be retried", "forget": "forgotten"}


def main(arguments: Sequence[str], find: Callable[[], Path]) -> int:
    """List, retry or forget messages, also while the bot runs.

    Args:
        arguments: those after `inbox`.
        find: returns the path of the inbox.

    Returns:
        0, or 1 if a named message was not given up.

    Raises:
        DatabaseError: there is no inbox, or it cannot be used.
    """
    parser = argparse.ArgumentParser(prog="python -m bot inbox", description=HELP)
    actions = parser.add_subparsers(dest="action", metavar="ACTION")
    actions.add_parser("list", help="list open and given-up messages (the default)")
    for name, help_ in (("retry", "try again"), ("forget", "delete from the list")):
        action = actions.add_parser(name, help=help_)
        action.add_argument("messages", nargs="+", metavar="MESSAGE")
    args = parser.parse_args(arguments)
    path = find()
    if not path.exists():
        raise DatabaseError(path.parent, ABSENT)
    return asyncio.run(_run(args, Inbox(path, read_only=args.action in (None, "list"))))


async def _run(args: argparse.Namespace, inbox: Inbox) -> int:
    async with inbox:
        if args.action in (None, "list"):
            rows = await inbox.rows("open", "given up")
            say("\n".join(map(_line, rows)) or "No message is open or given up.")
            return 0
        if args.messages == ["all"]:
            names = [_name(row) for row in await inbox.rows("given up")]
        else:
            names = args.messages
        change = inbox.retry if args.action == "retry" else inbox.forget
        wrong = [name for name in names if not await change(_key(name))]
        for name in wrong:
            complain(f"error: no message {name!r} was given up; `list` names them")
        done = len(names) - len(wrong)
        say(f"{done} message{'' if done == 1 else 's'} {DONE[args.action]}")
        return int(bool(wrong))


def _name(row: InboxRow) -> str:
    return ":".join(row.key)


def _key(name: str) -> Key:
    platform, _, rest = name.partition(":")
    chat, _, number = rest.partition(":")
    return Key(platform, chat, number)


def _line(row: InboxRow) -> str:
    hours = (time.time() - row.accepted) / 3600
    tries = f"{row.attempts} attempt{'' if row.attempts == 1 else 's'}"
    reason = f": {row.reason}" if row.reason else ""
    return f"{_name(row)}  {row.state}, {hours:.1f} h old, {tries}{reason}"
