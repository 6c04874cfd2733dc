"""Who is let in: by name, and by how many photos they send."""

import time
from collections.abc import Set
from dataclasses import dataclass
from typing import Literal

from limits import RateLimitItemPerMinute, parse
from limits.storage import MemoryStorage
from limits.strategies import SlidingWindowCounterRateLimiter

from bot import metrics, replies
from bot.platforms import Platform

TOLD = RateLimitItemPerMinute(1)  # a chat that sends too much is not answered each time


@dataclass(frozen=True)
class Visitor:
    """Who asks, and where; the numbers are the platform's own."""

    platform: Platform
    person: int | str
    chat: int | str
    server: int | None = None  # of a Discord channel

    @property
    def names(self) -> set[str]:
        """Return what stands for them in the settings."""
        numbers = (self.person, self.chat, self.server)
        return {f"{self.platform}:{number}" for number in numbers if number is not None}


@dataclass(frozen=True)
class Refusal:
    """Why nothing is done."""

    kind: Literal["blocked", "not allowed", "too many"]
    text: str | None = None  # what is said; None where nothing is to be said, or was just now
    retry_after: float | None = None  # seconds, of "too many"


class Access:
    """Knows who may come in; nothing is kept across restarts."""

    def __init__(
        self,
        per_person: str = "20/minute",
        per_chat: str = "60/minute",
        *,
        allowed: Set[str] = frozenset(),
        blocked: Set[str] = frozenset(),
        operators: Set[str] = frozenset(),
    ) -> None:
        """Take the rates, as "20/minute", and names, as "telegram:7"; no one allowed is all."""
        self.per_person, self.per_chat = parse(per_person), parse(per_chat)
        self.allowed, self.blocked, self.operators = allowed, blocked, operators
        # Of the library's strategies the one whose memory forgets people who do not come back.
        self._rates = SlidingWindowCounterRateLimiter(MemoryStorage())

    def is_operator(self, visitor: Visitor) -> bool:
        """Say whether a person may use the operators' commands."""
        return f"{visitor.platform}:{visitor.person}" in self.operators

    def admits(self, visitor: Visitor) -> bool:
        """Say whether someone may come in at all."""
        welcome = not self.allowed or visitor.names & (self.allowed | self.operators)
        return bool(welcome) and not visitor.names & self.blocked

    def refuse(self, visitor: Visitor, photos: int = 0) -> Refusal | None:
        """Let someone in, who brings so many photos, or say why not."""
        refusal = self._refusal(visitor, photos)
        if refusal:
            metrics.REFUSALS.labels(visitor.platform, refusal.kind).inc()
        return refusal

    def _refusal(self, visitor: Visitor, photos: int) -> Refusal | None:
        if visitor.names & self.blocked:
            return Refusal("blocked")
        if not self.admits(visitor):
            return Refusal("not allowed", self._once(visitor, replies.NOT_ALLOWED))
        if not photos or self.is_operator(visitor):
            return None
        rates = [
            (self.per_person, f"person {visitor.person}"),
            (self.per_chat, f"chat {visitor.chat}"),
        ]
        full = [
            self._rates.get_window_stats(rate, visitor.platform, name).reset_time
            for rate, name in rates
            # An album larger than the rate takes all that there is.
            if not self._rates.test(rate, visitor.platform, name, cost=min(photos, rate.amount))
        ]
        if full:
            seconds = max(1.0, max(full) - time.time())
            said = self._once(visitor, replies.too_many(seconds))
            return Refusal("too many", said, seconds)
        for rate, name in rates:
            self._rates.hit(rate, visitor.platform, name, cost=min(photos, rate.amount))
        return None

    def _once(self, visitor: Visitor, text: str) -> str | None:
        told = self._rates.hit(TOLD, visitor.platform, f"told {visitor.chat}")
        return text if told else None
