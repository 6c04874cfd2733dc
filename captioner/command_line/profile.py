"""How long each stage takes for one photo."""

import statistics
from collections.abc import Mapping, Sequence

from captioner.captioner import Captioner
from captioner.options import Options
from captioner.result import Caption

AGAIN = 5  # more runs of the same photo
# In their order; see `Caption.seconds`. Only the photos of doubtful captions have the last.
STAGES = ("decode", "wait", "encoder", "decoder", "naming")


async def profile(captioner: Captioner, photo: bytes, options: Options, first: Caption) -> str:
    """Caption a photo a few more times, and return a table of how long each stage took.

    Args:
        captioner: what captioned it before.
        photo: its file.
        options: how it was captioned.
        first: the first caption, for which nothing was warm.

    Raises:
        BadImage: this time the photo cannot be read within the limits.
        Busy: too many photos are waiting, or the captioner is stopping.
    """
    again = [await captioner.caption(photo, options) for _ in range(AGAIN)]
    return table(first, again)


def table(first: Caption, again: Sequence[Caption]) -> str:
    """Return a table in milliseconds: the first run, and the median of the others."""
    stages = [stage for stage in STAGES if stage in first.seconds]
    medians = {
        stage: statistics.median(caption.seconds[stage] for caption in again) for stage in stages
    }
    words = len(first.words)
    notes = {"decoder": f"{words} words, {medians['decoder'] / max(1, words) * 1e3:.1f} ms each"}
    lines = [f"{'ms':8} {'first':>9} {'again':>9}"]
    lines += [
        f"{stage:8} {first.seconds[stage] * 1e3:9.1f} {medians[stage] * 1e3:9.1f}"
        f"  {notes.get(stage, '')}".rstrip()
        for stage in stages
    ]
    lines.append(f"{'all':8} {_all(first.seconds):9.1f} {_all(medians):9.1f}")
    return "\n".join(lines)


def _all(seconds: Mapping[str, float]) -> float:
    return sum(seconds.values()) * 1e3
