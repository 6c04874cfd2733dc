"""What the operator reads: one line an event, without tokens."""

import logging
from collections.abc import Sequence

FORMAT = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"
# They log every request or file with its address, and with it the token.
TALKATIVE = ("httpx", "httpcore", "telegram", "aiohttp.access")


class _Redacting(logging.Formatter):
    def __init__(self, secrets: Sequence[str]) -> None:
        super().__init__(FORMAT)
        self.secrets = secrets

    def format(self, record: logging.LogRecord) -> str:
        line = super().format(record)
        for secret in self.secrets:
            line = line.replace(secret, "[token]")
        return line


def set_up(level: str, secrets: Sequence[str] = ()) -> None:
    """Log to standard error; whatever equals a secret is masked, in tracebacks too."""
    handler = logging.StreamHandler()
    handler.setFormatter(_Redacting(secrets))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    hush()


def hush() -> None:
    """Have the libraries that log addresses tell of trouble alone."""
    for name in TALKATIVE:
        logger = logging.getLogger(name)
        logger.setLevel(max(logger.getEffectiveLevel(), logging.WARNING))
