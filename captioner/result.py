"""The caption of a photo, with its confidence."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from captioner.checkpoint import Metadata
from captioner.confidence import DOUBTFUL, Features, confidence
from captioner.reranking import Hypothesis
from captioner.runtime.protocols import Floats
from captioner.translation import ENGLISH


@dataclass(frozen=True)
class Word:
    """One word of a caption."""

    text: str  # as in the vocabulary: lower case, a clitic ('s) apart
    logprob: float  # natural logarithm of its probability after the words before it
    attention: Floats | None  # (rows, columns) over the whole photo, sums to 1


@dataclass(frozen=True)
class NamedObject:
    """Something in a photo that the model of captions may have no word for."""

    name: str  # with its article: "a tabby cat"
    confidence: float  # how likely the name is right: 0..1
    kinds: tuple[str, ...] = ()  # what it is one of, the narrowest first: "a cat", "an animal"
    local: "LocalName | None" = None  # in the language of the caption; None in English

    @property
    def said(self) -> str:
        """The name in the language of the caption."""
        return self.local.name if self.local else self.name


@dataclass(frozen=True)
class LocalName:
    """The name of something in another language than English."""

    name: str  # with its article, where the language has articles
    # What begins the words of a caption that speaks of it, in lower case; after "=", a whole word.
    # In Chinese, what the caption contains; in Arabic, without "and", prepositions and the article.
    nouns: tuple[str, ...]
    wider: tuple[str, ...]  # the same, of what it is one of


@dataclass(frozen=True)
class Caption:
    """A sentence about one photo, and what is known about it."""

    text: str  # one sentence, in `language`
    logprob: float  # natural logarithm of the sentence's probability
    # How likely it is right: 0..1; see `Calibration`. Without one, the geometric mean of the
    # probabilities of its words and of its end.
    confidence: float
    words: tuple[Word, ...]
    alternatives: tuple["Caption", ...] = ()  # fewer than asked for if too few differ
    # The photo is unlike all training photos, see `OutOfDistributionDetector`: the caption is a
    # guess, however confident it is. Always False where the checkpoint has no detector.
    out_of_distribution: bool = False
    language: str = ENGLISH  # its code in ISO 639
    # What the photo shows, the likeliest first: only names that are sure enough to be said. Empty
    # where the caption is not `doubtful`, because then no one looks for names.
    objects: tuple[NamedObject, ...] = ()
    # How long each stage took: "decode" the file, "wait" for a worker and for a batch, then
    # "encoder" and "decoder" for the whole batch, and then "naming" if it was doubtful. A GPU still
    # works when the encoder returns.
    seconds: Mapping[str, float] = field(default_factory=dict, compare=False, repr=False)

    @property
    def doubtful(self) -> bool:
        """Whether the caption needs a second opinion: it is more likely wrong, or a guess."""
        return self.out_of_distribution or self.confidence < DOUBTFUL


def compose(
    hypotheses: Sequence[Hypothesis], metadata: Metadata, *, out_of_distribution: bool
) -> Caption:
    """Spell the sentences of a photo.

    Args:
        hypotheses: the caption, and then its alternatives.
        metadata: of the model, with its vocabulary and its calibration.
        out_of_distribution: whether the photo is unlike all training photos.
    """
    best, *others = hypotheses
    maps = [None] * len(best.tokens) if best.attention is None else list(best.attention)
    words = tuple(
        Word(text, logprob, None if weights is None else weights.reshape(_rows(weights), -1))
        for text, logprob, weights in zip(
            metadata.vocabulary.spell(best.tokens), best.logprobs, maps, strict=False
        )
    )
    return Caption(
        metadata.vocabulary.decode(best.tokens),
        best.logprob,
        confidence(Features.of(best), metadata.calibration),
        words,
        tuple(
            compose([other], metadata, out_of_distribution=out_of_distribution) for other in others
        ),
        out_of_distribution,
        metadata.language,
    )


def _rows(weights: Floats) -> int:
    # Photos are squeezed to a square, so the grid of regions is a square too.
    return math.isqrt(weights.size)
