"""The answer to /stats: how the bot is doing, for operators."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from prometheus_client import REGISTRY

from bot import metrics
from bot.store.inbox import Inbox


@dataclass(frozen=True)
class Stats:
    """Counts since the start of the process."""

    inbox: Inbox
    waiting: Callable[[], int]  # how many photos wait for their batch
    started: float = field(default_factory=time.monotonic)

    async def text(self) -> str:
        """Return the statistics in a few lines."""
        hours = (time.monotonic() - self.started) / 3600
        states = await self.inbox.rows.counts()
        lines = [f"I have been running for {hours:.1f} hours."]
        lines += [
            f"{sample.labels['platform']}, {sample.labels['outcome']}: "
            f"{sample.value:.0f} photos and videos"
            for family in metrics.PHOTOS.collect()
            for sample in family.samples
            if sample.name.endswith("_total")
        ]
        lines.append(f"Waiting for a batch: {self.waiting()}")
        lines.append(
            f"In the inbox: {states.get('open', 0)} open, {states.get('given up', 0)} given up"
        )
        if memory := REGISTRY.get_sample_value("process_resident_memory_bytes"):
            lines.append(f"Memory: {memory / 2**20:.0f} MB")
        return "\n".join(lines)
