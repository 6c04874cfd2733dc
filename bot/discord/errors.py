"""What goes wrong between the bot and Discord, and what the bot does about it."""

import math
from collections.abc import Iterator
from contextlib import contextmanager

import aiohttp
import discord
import structlog

from bot import metrics
from bot.discord.identity import PLATFORM
from bot.store.errors import DatabaseError
from bot.store.inbox import Hopeless, NotYet
from bot.supervision import PlatformError

log = structlog.stdlib.get_logger(__name__)

# What the network and Discord's API raise; anything else is a bug of ours.
DISCORD_ERRORS = (discord.DiscordException, aiohttp.ClientError, OSError)
REFUSED = (discord.Forbidden, discord.NotFound)

# Refusals that come with status 400: the thread is archived, or the server's own moderation
# blocks the text or the title of a message.
ARCHIVED, BLOCKED, BLOCKED_TITLE = 50083, 200000, 200001
REFUSAL_CODES = {ARCHIVED, BLOCKED, BLOCKED_TITLE}

BAD_TOKEN_CODE, FEW_SHARDS_CODE = 4004, 4011  # with which the gateway closes the connection
WRONG_TOKEN = (
    "Discord refuses the token; set DISCORD_BOT_TOKEN to the one from the developer portal"
)
FEW_SHARDS = "Discord requires more shards; set SHARD_COUNT to a higher number, or leave it empty"
NO_INTENT = (
    "Discord refuses the message content intent; switch it on in the developer portal, under Bot"
)
UNREACHABLE = (
    "Discord cannot be reached; check the network, DISCORD_API_URL and DISCORD_GATEWAY_URL"
)


def reason(error: BaseException) -> str:
    """Describe an error in one line, without any part of a message or an address."""
    if isinstance(error, discord.HTTPException):
        return f"HTTP {error.status}, {error.text.splitlines()[0] if error.text else 'no reason'}"
    return type(error).__name__


@contextmanager
def inbox_errors() -> Iterator[None]:
    """Translate what an answer raises for the inbox.

    Raises:
        Hopeless: Discord refuses for good, or the bot has a bug.
        NotYet: another attempt may succeed.
    """
    try:
        yield
    except (Hopeless, NotYet):
        raise
    except DISCORD_ERRORS as error:
        metrics.ERRORS.labels(PLATFORM, "undelivered").inc()
        raise _for_inbox(error) from error
    except DatabaseError as error:
        raise NotYet(str(error), 0.0) from error
    except Exception as error:
        log.exception("answer failed", platform=PLATFORM)
        raise Hopeless("bug in the bot", apologize=True) from error


@contextmanager
def platform_errors() -> Iterator[None]:
    """Translate an error of the connection into an instruction for the operator.

    Raises:
        PlatformError: Discord cannot be reached, or refuses the bot.
    """
    try:
        yield
    except discord.LoginFailure as error:
        raise PlatformError(WRONG_TOKEN) from error
    except discord.PrivilegedIntentsRequired as error:
        raise PlatformError(NO_INTENT) from error
    except discord.ConnectionClosed as error:
        if error.code == BAD_TOKEN_CODE:
            raise PlatformError(WRONG_TOKEN) from error
        if error.code == FEW_SHARDS_CODE:
            raise PlatformError(FEW_SHARDS) from error
        raise PlatformError(f"Discord closed the connection with code {error.code}") from error
    except discord.DiscordException as error:
        raise PlatformError(f"Discord answers unexpectedly: {reason(error)}") from error
    except DISCORD_ERRORS as error:
        raise PlatformError(UNREACHABLE) from error


def check_sessions(limits: discord.SessionStartLimits, shards: int) -> None:
    """Verify that the shards of a process may begin a session each.

    Discord revokes the token of a bot that begins more than it may.

    Raises:
        PlatformError: too few are left.
    """
    if limits.remaining < shards:
        minutes = math.ceil(limits.reset_after / 60_000)
        raise PlatformError(
            f"Discord allows {limits.remaining} more sessions, too few for {shards} shards; "
            f"it allows more in {minutes} minutes"
        )


def _for_inbox(error: BaseException) -> Hopeless | NotYet:
    if isinstance(error, discord.RateLimited):
        return NotYet(reason(error), error.retry_after)
    if isinstance(error, REFUSED):
        return Hopeless(f"Discord refuses: {reason(error)}")
    if isinstance(error, discord.HTTPException):
        if error.code in REFUSAL_CODES:
            return Hopeless(f"Discord refuses: {reason(error)}")
        retry_after = error.response.headers.get("Retry-After", "")
        return NotYet(reason(error), float(retry_after) if retry_after.isdecimal() else 0.0)
    return NotYet(reason(error), 0.0)
