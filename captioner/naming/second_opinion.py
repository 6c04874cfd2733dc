"""Names for the photos of doubtful captions: the captioner's second stage.

It sees the middle of a photo at the classifier's own size, because the square of the captions'
model has lost too much: one photo in ten more is named rightly. Only the photos of doubtful
captions come here, so the others wait for none of it.
"""

import time
from contextlib import suppress
from dataclasses import replace
from types import TracebackType
from typing import Self

import numpy as np

from captioner.batching import Batcher
from captioner.errors import Busy
from captioner.naming.classifier import Naming
from captioner.naming.local_names import localized
from captioner.photo.preprocessing import Pixels
from captioner.result import Caption, NamedObject
from captioner.serving import Measurement, Observe, ServingConfig

Objects = tuple[NamedObject, ...]

MAX_BATCH = 16  # photos; more of them are no faster on the CPU


class SecondOpinion:
    """Adds names to doubtful captions, in batches formed from whatever is waiting."""

    def __init__(self, naming: Naming, serving: ServingConfig, observe: Observe) -> None:
        """Prepare; nothing runs before `async with`.

        Args:
            naming: the classifier.
            serving: how to serve.
            observe: is called with each measurement, from a thread.
        """
        self._naming, self._observe = naming, observe
        self._batcher: Batcher[Pixels, Objects] = Batcher(
            self._forward, max_batch=MAX_BATCH, max_wait=0, max_queue=serving.max_queue
        )

    async def __aenter__(self) -> Self:
        """Start the worker thread."""
        await self._batcher.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Finish what was accepted, then stop."""
        await self._batcher.__aexit__(kind, error, trace)

    @property
    def side(self) -> int:
        """Side of the square that is cut from the middle of a photo, in pixels."""
        return self._naming.config.size

    async def on(self, middle: Pixels, caption: Caption) -> Caption:
        """Return a caption with the names of what its photo shows, if it is doubtful.

        Its doubtful alternatives get them too. A photo that cannot be named now keeps its caption
        as it is.

        Args:
            middle: of the photo, `(side, side, 3)`; see `photo.preprocessing.middle`.
            caption: of the photo.
        """
        if not any(one.doubtful for one in (caption, *caption.alternatives)):
            return caption
        started = time.perf_counter()
        with suppress(Busy):
            named = await self._batcher.submit(middle)
            objects = localized(named, caption.language)
            seconds = {**caption.seconds, "naming": time.perf_counter() - started}
            return replace(_named(caption, objects), seconds=seconds)
        return caption

    def _forward(self, photos: list[Pixels]) -> list[Objects]:
        started = time.perf_counter()
        objects = self._naming.name(np.stack(photos))
        self._observe(Measurement("naming", time.perf_counter() - started, len(photos)))
        return objects


def _named(caption: Caption, objects: Objects) -> Caption:
    others = tuple(_named(other, objects) for other in caption.alternatives)
    return replace(caption, objects=objects if caption.doubtful else (), alternatives=others)
