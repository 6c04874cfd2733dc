"""`python -m bot feedback`: list what people said about captions, export it, or forget it."""

import argparse
import asyncio
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from pathlib import Path

from bot.store.feedback_export import LANGUAGES, TABLE, Export, digest, export
from bot.store.feedback_rows import FeedbackRow, FeedbackRows
from captioner.output import complain, say
from captioner.translation import ENGLISH

HELP = """Shows what people said about captions where FEEDBACK is on. Photos are not kept: each is
named by the SHA-256 of its file, as `sha256sum` prints it."""
PHOTO = re.compile("[0-9a-f]{64}")

Open = Callable[[bool], AbstractAsyncContextManager[FeedbackRows]]  # whether it is only read


def main(arguments: Sequence[str], opened: Open) -> int:
    """List, export or forget feedback, also while the bot runs.

    Args:
        arguments: those after `feedback`.
        opened: opens the feedback.

    Returns:
        0, or 1 if nothing could be exported, or nothing was said of a named photo.

    Raises:
        DatabaseError: there is no feedback, or it cannot be used.
    """
    parser = argparse.ArgumentParser(prog="python -m bot feedback", description=HELP)
    actions = parser.add_subparsers(dest="action", metavar="ACTION")
    actions.add_parser("list", help="list everything that was said (the default)")
    action = actions.add_parser("export", help="write a dataset that `python -m train` reads")
    action.add_argument("out", type=Path, metavar="OUT", help="its folder, which must be new")
    action.add_argument(
        "--photos",
        type=Path,
        required=True,
        metavar="FOLDER",
        help="where the photos are; those that were captioned are found by their hash",
    )
    action.add_argument(
        "--language", default=ENGLISH, metavar="CODE", help=f"of {TABLE} (default: {ENGLISH})"
    )
    action = actions.add_parser("forget", help="delete what was said")
    action.add_argument(
        "photos",
        nargs="+",
        metavar="PHOTO",
        help='the hash of a photo, or its file; "all" for everything',
    )
    args = parser.parse_args(arguments)
    return asyncio.run(_run(args, opened))


async def _run(args: argparse.Namespace, opened: Open) -> int:
    async with opened(args.action != "forget") as feedback:
        if args.action == "forget":
            return await _forget(args.photos, feedback)
        rows = await feedback.all()
    if args.action == "export":
        return await asyncio.to_thread(_export, rows, args)
    say("\n".join(map(_line, rows)) or "Nobody has said anything about a caption.")
    return 0


def _line(row: FeedbackRow) -> str:
    given = datetime.fromtimestamp(row.given, UTC).strftime("%Y-%m-%d %H:%M")
    correction = f" -> {row.correction}" if row.correction else ""
    return f"{given}  {row.photo}  {row.language}  {row.verdict}: {row.caption}{correction}"


async def _forget(photos: Sequence[str], feedback: FeedbackRows) -> int:
    number, wrong = 0, 0
    for name in photos:
        gone = await feedback.forget(None if name == "all" else _hash(name))
        number += gone
        if not gone and name != "all":
            wrong += 1
            complain(f"error: nothing was said of {name!r}; `list` has the hashes of the photos")
    say(f"forgot what was said of {_counted(number, 'caption')}")
    return int(bool(wrong))


def _hash(name: str) -> str:
    if PHOTO.fullmatch(name.lower()):
        return name.lower()
    try:
        return digest(Path(name))
    except (OSError, ValueError):  # no file: then it is no photo's name either
        return ""


def _export(rows: Sequence[FeedbackRow], args: argparse.Namespace) -> int:
    out: Path = args.out
    try:
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            complain(f"error: {out} exists; name a new folder")
            return 1
        done = export(rows, args.photos, out, args.language)
    except OSError as error:
        complain(f"error: {error.filename or out}: {error.strerror or error}")
        return 1
    if done.photos:
        table = _counted(done.captions.pop(args.language), "caption")
        say(f"{out / TABLE}: {table} of {_counted(done.photos, 'photo')}")
        for code, number in sorted(done.captions.items()):
            say(f"{out / LANGUAGES / code}.tsv: {_counted(number, 'caption')}")
    for line in _left_out(done, args):
        say(line)
    if not done.photos:
        complain(f"error: there is no caption in {args.language!r} to export")
    return int(not done.photos)


def _left_out(done: Export, args: argparse.Namespace) -> Iterator[str]:
    if done.uncorrected:
        yield f"left out: {_counted(done.uncorrected, 'bad caption')} without a correction"
    if done.wordless:
        yield f"left out: {_counted(done.wordless, 'caption')} without a word"
    if done.unfound:
        yield f"left out: {_counted(done.unfound, 'caption')} whose photo is not in {args.photos}"
    for code, number in sorted(done.strangers.items()):
        yield (
            f"left out: {_counted(number, 'caption')} in {code!r}, of photos without one in "
            f"{args.language!r}; --language {code} exports them"
        )
    if done.unreadable:
        yield f"{_counted(done.unreadable, 'file')} in {args.photos} could not be read"


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
