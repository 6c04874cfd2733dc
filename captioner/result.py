"""What is said of a photo, and how sure it is."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from captioner.checkpoint import Metadata
from captioner.confidence import Features, confidence
from captioner.reranking import Hypothesis
from captioner.runtime.protocols import Floats


@dataclass(frozen=True)
class Word:
    """One word of a caption."""

    text: str  # as in the vocabulary: lower case, a clitic ('s) apart
    logprob: float  # natural logarithm of its probability after the words before it
    attention: Floats | None  # (rows, columns) over the whole photo, sums to 1


@dataclass(frozen=True)
class Caption:
    """What the model says about one photo."""

    text: str  # one sentence
    logprob: float  # natural logarithm of the sentence's probability
    # How likely it is right: 0..1, see `Calibration`. A model that was not calibrated gives the
    # geometric mean of the probabilities of its words and of its end.
    confidence: float
    words: tuple[Word, ...]
    alternatives: tuple["Caption", ...] = ()  # as many as were asked for, if so many differ
    # The photo is unlike all training photos, see `OutOfDistributionDetector`: the caption is a
    # guess, however confident it is. Always False where the checkpoint has no detector.
    unfamiliar: bool = False
    # What the photo took: "decode" its file, "wait" for a worker and for its batch, and what the
    # whole batch took, "encoder" and "decoder". A GPU works on while the encoder returns.
    seconds: Mapping[str, float] = field(default_factory=dict, compare=False, repr=False)


def compose(hypotheses: Sequence[Hypothesis], metadata: Metadata, *, unfamiliar: bool) -> Caption:
    """Put into words what a model said of a photo.

    Args:
        hypotheses: the sentence, and then its alternatives.
        metadata: of the model, with its vocabulary and its calibration.
        unfamiliar: whether the photo is unlike all that the model learned from.
    """
    best, *others = hypotheses
    looks = [None] * len(best.tokens) if best.attention is None else list(best.attention)
    words = tuple(
        Word(text, logprob, None if look is None else look.reshape(_rows(look), -1))
        for text, logprob, look in zip(
            metadata.vocabulary.spell(best.tokens), best.logprobs, looks, strict=False
        )
    )
    return Caption(
        metadata.vocabulary.decode(best.tokens),
        best.logprob,
        confidence(Features.of(best), metadata.calibration),
        words,
        tuple(compose([other], metadata, unfamiliar=unfamiliar) for other in others),
        unfamiliar,
    )


def _rows(look: Floats) -> int:
    # Photos are squeezed to a square, and so is the grid.
    return math.isqrt(look.size)
