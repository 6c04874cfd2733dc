"""`python -m bot inbox`: list, retry or forget the messages that the bot gave up, or move all."""

import argparse
import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager

from bot.store.inbox_rows import InboxRow, InboxRows, Key
from captioner.output import complain, say

HELP = """Shows the messages that the bot gave up or has not answered yet. A bot that is running
retries a message within seconds; otherwise the next start does. Name messages as the list shows
them; "all" means every message that was given up."""
DONE = {"retry": "to be retried", "forget": "forgotten"}


Open = Callable[[bool], AbstractAsyncContextManager[InboxRows]]  # whether it is only read
# Returns the numbers of messages, of chats, and of captions with feedback.
Move = Callable[[], Awaitable[tuple[int, int, int]]]


def main(arguments: Sequence[str], opened: Open, move: Move) -> int:
    """List, retry or forget messages, also while the bot runs; move them while it does not.

    Args:
        arguments: those after `inbox`.
        opened: opens the inbox.
        move: moves the inbox, the chats' settings and the feedback from DATA_DIR into DATABASE_URL.

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
    actions.add_parser("move", help="move everything in DATA_DIR into the database DATABASE_URL")
    args = parser.parse_args(arguments)
    if args.action == "move":
        messages, chats, feedback = asyncio.run(_awaited(move))
        more = f", and feedback on {feedback} captions" if feedback else ""
        say(f"moved {messages} messages, and the settings of {chats} chats{more}")
        return 0
    return asyncio.run(_run(args, opened))


async def _awaited(move: Move) -> tuple[int, int, int]:
    return await move()


async def _run(args: argparse.Namespace, opened: Open) -> int:
    reading = args.action in (None, "list")
    async with opened(reading) as inbox:
        if reading:
            rows = await inbox.having("open", "given up")
            say("\n".join(map(_line, rows)) or "No message is open or given up.")
            return 0
        if args.messages == ["all"]:
            names = [_name(row) for row in await inbox.having("given up")]
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
    # A store takes only text; an argument that is not is no message's name.
    name = name.encode(errors="replace").decode()
    platform, _, rest = name.partition(":")
    chat, _, number = rest.partition(":")
    return Key(platform, chat, number)


def _line(row: InboxRow) -> str:
    hours = (time.time() - row.accepted) / 3600
    tries = f"{row.attempts} attempt{'' if row.attempts == 1 else 's'}"
    reason = f": {row.reason}" if row.reason else ""
    return f"{_name(row)}  {row.state}, {hours:.1f} h old, {tries}{reason}"
