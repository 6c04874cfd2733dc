"""The webhook, which several processes with the same token may serve: its secret, and its setting.

Whichever process gets an update takes it, and none removes the webhook when it stops: until another
serves it, Telegram keeps the updates.
"""

import hmac
from collections.abc import Sequence

from aiohttp import web
from telegram import Bot
from telegram.error import Conflict, RetryAfter
from tenacity import (
    AsyncRetrying,
    retry_if_exception_type,
    stop_after_attempt,
    wait_fixed,
    wait_random,
)

SECRET_HEADER = "X-Telegram-Bot-Api-Secret-Token"
PURPOSE = b"the secret of the webhook"  # nothing else is derived from the token with it
# Telegram sets the webhook of a bot at most once a second, and refuses processes that ask sooner.
PAUSE, TRIES = 1.0, 30


def secret_of(token: str) -> str:
    """Return what Telegram sends with each update: 64 digits that do not reveal the token."""
    return hmac.digest(token.encode(), PURPOSE, "sha256").hex()


def from_telegram(request: web.Request, token: str) -> bool:
    """Return whether a request holds the secret, which only Telegram knows."""
    sent = request.headers.get(SECRET_HEADER, "")
    return hmac.compare_digest(sent.encode(errors="surrogateescape"), secret_of(token).encode())


async def set_webhook(bot: Bot, url: str, updates: Sequence[str]) -> None:
    """Have Telegram send updates to an address.

    Each process does that at its start: Telegram does not tell which secret is set, and changes
    nothing if both the address and the secret are the same.

    Raises:
        TelegramError: Telegram refuses, or cannot be reached.
    """
    retrying = AsyncRetrying(
        retry=retry_if_exception_type((RetryAfter, Conflict)),  # others set it at the same time
        wait=wait_fixed(PAUSE) + wait_random(0, PAUSE),
        stop=stop_after_attempt(TRIES),
        reraise=True,
    )
    secret = secret_of(bot.token)
    await retrying(bot.set_webhook, url, allowed_updates=updates, secret_token=secret)
