"""Who may use the bot, and how many photos they may send."""

from collections.abc import Set
from dataclasses import dataclass
from typing import Literal, NamedTuple

from bot import metrics
from bot.platforms import Platform
from bot.rates import Alone, Left, Limit, Spend, alone, parsed
from bot.replies import replies

EXPLAINED_SECONDS = 60.0  # a chat is told once in this time why it is refused


@dataclass(frozen=True)
class Visitor:
    """Who asks, and where; the ids are the platform's own."""

    platform: Platform
    person: int | str
    chat: int | str
    server: int | None = None  # the Discord server of the chat

    @property
    def names(self) -> set[str]:
        """Return the names under which the settings may list them, as "telegram:7"."""
        ids = (self.person, self.chat, self.server)
        return {f"{self.platform}:{id_}" for id_ in ids if id_ is not None}


@dataclass(frozen=True)
class Refusal:
    """Why a request is refused."""

    kind: Literal["blocked", "not allowed", "too many"]
    text: str | None = None  # the reply; None if there is none, or the chat just got one
    retry_after: float | None = None  # seconds, for "too many"


class Quota(NamedTuple):
    """How many photos a visitor may send in any window of some seconds."""

    photos: int
    seconds: float
    left: Left | None  # now; None if that is not known


class Access:
    """Decides who may use the bot."""

    def __init__(
        self,
        per_person: str = "20/minute",
        per_chat: str = "60/minute",
        *,
        allowed: Set[str] = frozenset(),
        blocked: Set[str] = frozenset(),
        operators: Set[str] = frozenset(),
        spend: Spend | None = None,
    ) -> None:
        """Take rates such as "20/minute", and names such as "telegram:7".

        If `allowed` is empty, everyone is allowed. Without `spend`, photos are counted in memory.
        """
        self.per_person, self.per_chat = parsed(per_person), parsed(per_chat)
        self.allowed, self.blocked, self.operators = allowed, blocked, operators
        self._spend = spend or alone()

    def is_operator(self, visitor: Visitor) -> bool:
        """Return whether a person may use the operators' commands."""
        return f"{visitor.platform}:{visitor.person}" in self.operators

    def admits(self, visitor: Visitor) -> bool:
        """Return whether a visitor may use the bot at all."""
        allowed = not self.allowed or visitor.names & (self.allowed | self.operators)
        return bool(allowed) and not visitor.names & self.blocked

    async def refuse(self, visitor: Visitor, photos: int = 0, counted: int = 0) -> Refusal | None:
        """Count a visitor's photos and return None, or return why they are refused.

        Args:
            visitor: who asks.
            photos: of the whole request.
            counted: how many of them were counted before. A wait is that of all of them, which
                will have to be sent again.
        """
        refusal = await self._refusal(visitor, photos, counted)
        if refusal:
            metrics.REFUSALS.labels(visitor.platform, refusal.kind).inc()
        return refusal

    def most(self, visitor: Visitor) -> int | None:
        """Return the most photos that the rates ever allow a visitor at once; None: any number."""
        if self.is_operator(visitor):
            return None
        return min(amount for amount, _ in (*self.per_person, *self.per_chat))

    def quotas(self, visitor: Visitor) -> list[Quota]:
        """Return the rates of a visitor, the shortest window first; none if there is no limit.

        Of rates with the same window it is the one of which least is left.
        """
        if not self.admits(visitor) or self.is_operator(visitor):
            return []
        quotas: dict[float, Quota] = {}
        for limit in self._limits(visitor):
            left = self._spend.left(limit) if isinstance(self._spend, Alone) else None
            quota = Quota(limit.amount, limit.seconds, left)
            known = quotas.setdefault(limit.seconds, quota)
            quotas[limit.seconds] = min(known, quota, key=_least)
        return sorted(quotas.values(), key=lambda quota: quota.seconds)

    async def _refusal(self, visitor: Visitor, photos: int, counted: int) -> Refusal | None:
        if visitor.names & self.blocked:
            return Refusal("blocked")
        if not self.admits(visitor):
            return Refusal("not allowed", await self._once(visitor, replies.NOT_ALLOWED))
        if photos <= counted or self.is_operator(visitor):
            return None
        limits = self._limits(visitor)
        seconds = await self._spend(limits, photos - counted)
        if seconds > 0 and counted:
            seconds = await self._spend(limits, photos)
        if seconds <= 0:
            return None
        seconds = max(1.0, seconds)
        return Refusal("too many", await self._once(visitor, replies.too_many(seconds)), seconds)

    def _limits(self, visitor: Visitor) -> list[Limit]:
        person, chat = f"{visitor.platform}:{visitor.person}", f"{visitor.platform}:{visitor.chat}"
        limits = [Limit(f"person {person}", *rate) for rate in self.per_person]
        return limits + [Limit(f"chat {chat}", *rate) for rate in self.per_chat]

    async def _once(self, visitor: Visitor, text: str) -> str | None:
        told = Limit(f"told {visitor.platform}:{visitor.chat}", 1, EXPLAINED_SECONDS)
        return None if await self._spend([told], 1) > 0 else text


def _least(quota: Quota) -> int:
    return quota.photos if quota.left is None else quota.left.photos
