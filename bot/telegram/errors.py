"""What goes wrong between the bot and Telegram, and what the bot does about it.

Errors of Telegram may quote the address of a call, which holds the token, so none of their messages
leaves this file unmasked.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import httpx
import structlog
from telegram.error import (
    BadRequest,
    ChatMigrated,
    Conflict,
    Forbidden,
    InvalidToken,
    NetworkError,
    RetryAfter,
    TelegramError,
)

from bot import metrics
from bot.store.errors import DatabaseError
from bot.store.inbox import Hopeless, NotYet, Unconfirmed
from bot.supervision import PlatformError
from bot.telegram.identity import PLATFORM

log = structlog.stdlib.get_logger(__name__)

# The same call would fail again, or the rate limiter repeats it. BadRequest is a network error in
# the library.
FINAL = (BadRequest, ChatMigrated, Conflict, Forbidden, InvalidToken, RetryAfter)
# What is behind the library's NetworkError and TimedOut if no request was sent. After anything
# else, also after an answer with status 500, Telegram may have carried the call out.
UNSENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)
REFUSED = (Forbidden, BadRequest)  # the bot was removed from the chat, and the like

WRONG_TOKEN = "Telegram refuses the token; set TELEGRAM_BOT_TOKEN to the one from @BotFather"
SECOND_INSTANCE = (
    "Telegram: another process polls with the same token, or a webhook was set; stop it"
)


def transient(error: BaseException) -> bool:
    """Return whether the same call may succeed a moment later."""
    return isinstance(error, TelegramError) and not isinstance(error, FINAL)


def unsent(error: BaseException) -> bool:
    """Return whether a call surely did not reach Telegram, and may do so a moment later."""
    return isinstance(error, NetworkError) and isinstance(error.__cause__, UNSENT)


class MaybeSent(TelegramError):
    """A message may have arrived: it was sent, and Telegram's answer is missing or a failure."""


def pause_of(error: BaseException | None) -> float:
    """Return how many seconds Telegram asks to wait after an error."""
    if not isinstance(error, RetryAfter):
        return 0.0
    wanted = error.retry_after
    return wanted.total_seconds() if isinstance(wanted, timedelta) else wanted


def reason(error: BaseException | None, token: str) -> str:
    """Return an error's message without the token."""
    return str(error).replace(token, "[token]")


@contextmanager
def inbox_errors(token: str) -> Iterator[None]:
    """Translate what an answer raises for the inbox.

    Raises:
        Hopeless: Telegram refuses for good, or the bot has a bug.
        NotYet: another attempt may succeed.
        Unconfirmed: the answer may have arrived.
    """
    try:
        yield
    except (Hopeless, NotYet):
        raise
    except MaybeSent as error:
        metrics.ERRORS.labels(PLATFORM, "undelivered").inc()
        raise Unconfirmed(reason(error, token)) from None
    except TelegramError as error:
        metrics.ERRORS.labels(PLATFORM, "undelivered").inc()
        if isinstance(error, REFUSED):
            raise Hopeless(f"Telegram refuses: {reason(error, token)}") from None
        raise NotYet(reason(error, token), pause_of(error)) from None
    except DatabaseError as error:
        raise NotYet(str(error), 0.0) from error
    except Exception as error:
        log.exception("answer failed", platform=PLATFORM)
        raise Hopeless("bug in the bot", apologize=True) from error


@contextmanager
def platform_errors(token: str, server: str) -> Iterator[None]:
    """Translate an error of the connection into an instruction for the operator.

    Raises:
        PlatformError: Telegram cannot be reached, or refuses the bot.
    """
    try:
        yield
    except InvalidToken:
        raise PlatformError(WRONG_TOKEN) from None
    except Conflict:
        raise PlatformError(SECOND_INSTANCE) from None
    except TelegramError as error:
        cause = reason(error, token)
        if isinstance(error, BadRequest) and "webhook" in error.message.lower():
            raise PlatformError(f"Telegram refuses TELEGRAM_WEBHOOK_URL ({cause})") from None
        raise PlatformError(
            f"Telegram: {server} does not serve the bot ({cause}); check the network and "
            "TELEGRAM_API_URL"
        ) from None
