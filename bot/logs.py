"""Logs for the operator: one line for each event, without tokens, names or messages.

Everything passes through `logging`, so that events of the libraries look like our own.
"""

import hashlib
import json
import logging
import re
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from secrets import token_bytes
from types import TracebackType
from urllib.parse import quote, quote_plus

import structlog
from structlog.types import EventDict, Processor, WrappedLogger

# These libraries log the address of each request, which holds the token, or the metadata of a
# photo's file, such as the place where it was taken.
TALKATIVE = ("httpx", "httpcore", "telegram", "aiohttp.access", "PIL")
FIRST = ("time", "level", "logger", "event")

log = structlog.stdlib.get_logger("bot")

_key = token_bytes(32)


def set_up(level: str, log_format: str = "auto", secrets: Sequence[str] = ()) -> None:
    """Log to standard error, uncaught exceptions included.

    Args:
        level: the lowest level that is logged.
        log_format: "json" is one object on each line, "text" is for people; "auto" is text on a
            terminal and JSON elsewhere.
        secrets: masked wherever they occur, in tracebacks too; the key of `pseudonym` is derived
            from them.
    """
    global _key
    secrets = [secret for secret in secrets if secret]
    terminal = sys.stderr.isatty()
    text = log_format == "text" or (log_format == "auto" and terminal)
    handler = logging.StreamHandler()
    handler.setFormatter(_Masking(secrets, _as_text(terminal) if text else _as_json()))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.captureWarnings(True)
    sys.excepthook = _log_uncaught
    threading.excepthook = _log_uncaught_in_thread
    _key = _derived(secrets) if secrets else token_bytes(32)
    connect()
    hush()


def connect() -> None:
    """Make the loggers of structlog pass their events, with all fields, to those of `logging`."""
    structlog.configure(
        processors=[structlog.stdlib.render_to_log_args_and_kwargs],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
    )


def hush() -> None:
    """Make the libraries that log addresses log only warnings and errors."""
    for name in TALKATIVE:
        logger = logging.getLogger(name)
        logger.setLevel(max(logger.getEffectiveLevel(), logging.WARNING))


def pseudonym(platform: str, chat: str | int) -> str:
    """Return a pseudonym for a chat: the same after a restart with the same secrets."""
    # Chat ids are few enough to be tried one by one, so the hash has a key.
    return hashlib.blake2b(f"{platform}:{chat}".encode(), digest_size=4, key=_key).hexdigest()


@contextmanager
def about(platform: str, chat: str | int) -> Iterator[None]:
    """Add a platform, and the pseudonym of a chat, to every event within."""
    with structlog.contextvars.bound_contextvars(platform=platform, chat=pseudonym(platform, chat)):
        yield


class _Masking(structlog.stdlib.ProcessorFormatter):
    def __init__(self, secrets: Sequence[str], processors: Sequence[Processor]) -> None:
        super().__init__(
            foreign_pre_chain=[
                structlog.stdlib.ExtraAdder(),
                structlog.contextvars.merge_contextvars,
                structlog.stdlib.add_log_level,
                structlog.stdlib.add_logger_name,
                structlog.processors.TimeStamper("iso", utc=True, key="time"),
            ],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *processors],
        )
        parts = sorted({part for secret in secrets for part in _parts(secret)}, key=len)
        # Longest first, because a long secret may contain a short one.
        patterns = "|".join(map(_pattern, reversed(parts)))
        self._secrets = re.compile(patterns or "(?!)", re.IGNORECASE)

    def format(self, record: logging.LogRecord) -> str:
        try:
            line = super().format(record)
        except Exception:  # `logging` would show the arguments, unmasked
            record.msg, record.args = f"an event with wrong arguments: {record.msg!r}", None
            line = super().format(record)
        return self._secrets.sub("[token]", line)


def _parts(secret: str) -> tuple[str, ...]:
    halves = re.fullmatch(r"\d+:(.+)", secret)  # Telegram's; the first half is the bot's id
    return (secret, halves[1]) if halves else (secret,)


def _pattern(secret: str) -> str:
    """Return a pattern for a secret as it is, and as URLs, JSON, or `repr` of those write it."""
    return "".join(map(_character, secret))


def _character(character: str) -> str:
    if quote(character, safe="") == character:
        return re.escape(character)
    escaped = json.dumps(character)[1:-1].lstrip("\\")
    forms = {character, quote(character, safe=""), quote_plus(character), escaped} - {""}
    return rf"\\*(?:{'|'.join(map(re.escape, sorted(forms)))})"


def _as_json() -> list[Processor]:
    return [
        structlog.processors.format_exc_info,
        _in_order,
        structlog.processors.JSONRenderer(ensure_ascii=False),
    ]


def _as_text(terminal: bool) -> list[Processor]:
    plain = structlog.dev.plain_traceback
    return [
        _on_one_line,
        structlog.dev.ConsoleRenderer(
            colors=terminal, timestamp_key="time", exception_formatter=plain
        ),
    ]


def _in_order(logger: WrappedLogger, name: str, event: EventDict) -> EventDict:
    return {key: event.pop(key) for key in FIRST} | dict(event)


def _on_one_line(logger: WrappedLogger, name: str, event: EventDict) -> EventDict:
    event["event"] = " ".join(str(event["event"]).splitlines())
    return event


def _derived(secrets: Sequence[str]) -> bytes:
    return hashlib.blake2b("\0".join(secrets).encode(), digest_size=32, person=b"logs").digest()


def _log_uncaught(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    log.critical("uncaught exception", exc_info=(kind, error, trace))


def _log_uncaught_in_thread(failure: threading.ExceptHookArgs) -> None:
    if failure.exc_value is not None and failure.exc_type is not SystemExit:
        exc_info = (failure.exc_type, failure.exc_value, failure.exc_traceback)
        log.critical("uncaught exception in a thread", exc_info=exc_info)
