"""What listens on the web chat's address already."""

from contextlib import suppress

import aiohttp

from bot.supervision import PlatformError
from bot.web.address import here

SERVER = "photo-captioner"  # the header `Server` of every answer of a bot
STORE = "X-Store"  # the header of /healthz that says which store the bot has, as a hash
ANSWER_SECONDS = 5.0  # a program of this machine that is busy


class AddressInUse(PlatformError):
    """Another program listens on the address."""

    def __init__(self, message: str, address: str) -> None:
        """Keep the message, and the address on its own."""
        super().__init__(message)
        self.address = address


async def is_a_bot(host: str, port: int, store: str = "") -> bool:
    """Return whether a bot listens on an address of this machine; it says so in every answer.

    Args:
        host: as WEB_HOST.
        port: as WEB_PORT.
        store: the bot's, as `bot.stores.mark` returns it; any if it is empty. A bot of an earlier
            version does not say which it has, and may have this one.
    """
    timeout = aiohttp.ClientTimeout(ANSWER_SECONDS)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        # A bot that was started before the settings were changed may speak either of them.
        for scheme in ("http", "https"):
            url = f"{scheme}://{here(host)}:{port}/healthz"
            # Its certificate is for the name that others call it by, and nothing secret is sent.
            with suppress(aiohttp.ClientError, TimeoutError):
                async with session.get(url, ssl=False, allow_redirects=False) as answer:
                    if answer.headers.get("Server") == SERVER:
                        return not store or answer.headers.get(STORE, store) == store
    return False
