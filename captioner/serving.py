"""How a captioner serves, and what it measures while it does."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from captioner.photo.limits import Limits

# In the order in which a photo passes them; only photos whose captions are doubtful pass the last.
Stage = Literal["decode", "encoder", "decoder", "naming"]


@dataclass(frozen=True)
class ServingConfig:
    """How a `Captioner` serves its callers."""

    limits: Limits = Limits()  # what a photo may cost
    max_batch: int | None = None  # photos in a batch, at most; None: as the network is fastest
    max_wait: float = 0.0  # seconds that the first photo of a batch waits for others
    max_queue: int = 128  # photos that may wait besides the running batches
    max_video_bytes: int | None = None  # of the largest video; None: as large as a photo
    max_videos: int = 8  # that may be in progress; they are decoded one after another
    decoders: int | None = None  # processes that decode photos; None: one per core, at least two


@dataclass(frozen=True)
class Measurement:
    """What one stage took for one photo's file, or for one batch."""

    stage: Stage
    # A GPU still works when the encoder returns, so the decoder's seconds hold both there.
    seconds: float
    photos: int  # how many it worked on: 1 for a file, several for a batch


Observe = Callable[[Measurement], None]  # called from any thread
