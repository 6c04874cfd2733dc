"""What goes wrong between the bot and Discord, and what is to be done about it."""

from collections.abc import Iterator
from contextlib import contextmanager

import aiohttp
import discord
import structlog

from bot import metrics
from bot.discord.identity import PLATFORM
from bot.store.inbox import Hopeless, NotYet

log = structlog.stdlib.get_logger(__name__)

# What the network and Discord do to a message; a fault of ours is anything else.
TROUBLE = (discord.DiscordException, aiohttp.ClientError, OSError)
REFUSED = (discord.Forbidden, discord.NotFound)

ARCHIVED, BLOCKED, BLOCKED_TITLE = 50083, 200000, 200001  # a thread; by a server's own moderation
FINAL = {ARCHIVED, BLOCKED, BLOCKED_TITLE}  # as they come with the status 400


def reason(error: BaseException) -> str:
    """Say in one line what went wrong, with nothing of a message or an address in it."""
    if isinstance(error, discord.HTTPException):
        return f"HTTP {error.status}, {error.text.splitlines()[0] if error.text else 'no reason'}"
    return type(error).__name__


@contextmanager
def judged() -> Iterator[None]:
    """Say in the inbox's words why an answer failed.

    Raises:
        Hopeless: Discord refuses for good, or the fault is ours.
        NotYet: another attempt may go better.
    """
    try:
        yield
    except (Hopeless, NotYet):
        raise
    except TROUBLE as error:
        metrics.ERRORS.labels(PLATFORM, "undelivered").inc()
        raise _judgement(error) from error
    except Exception as error:
        log.exception("an answer failed", platform=PLATFORM)
        raise Hopeless("a fault of the bot", apologize=True) from error


def _judgement(error: BaseException) -> Hopeless | NotYet:
    if isinstance(error, discord.RateLimited):
        return NotYet(reason(error), error.retry_after)
    if isinstance(error, REFUSED):
        return Hopeless(f"Discord refuses: {reason(error)}")
    if isinstance(error, discord.HTTPException):
        if error.code in FINAL:
            return Hopeless(f"Discord refuses: {reason(error)}")
        wanted = error.response.headers.get("Retry-After", "")
        return NotYet(reason(error), float(wanted) if wanted.isdecimal() else 0.0)
    return NotYet(reason(error), 0.0)
