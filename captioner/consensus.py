"""Of several sentences about a photo, the one that the others speak for.

The likeliest sentence is not the one that comes nearest to what people would write. That one has
the least Bayes risk (S. Kumar and W. Byrne, NAACL 2004): it resembles most what may be said of the
photo, and the sentences that the search found stand for that.
"""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from captioner.network import Floats

Words = tuple[int, ...]

# Both are those of CIDEr-D (R. Vedantam et al., CVPR 2015).
LONGEST = 4  # words in a run
SPREAD = 6.0  # words that sentences may differ in length and still be alike
# How much more a sentence counts that scores more: chosen on validation photos, where votes that
# weigh alike bring more CIDEr and less BLEU-4.
SHARPNESS = 4.0


def most_agreed(sentences: Sequence[Words], scores: Sequence[float]) -> int:
    """Return which sentence resembles the others most, where better ones count more.

    Args:
        sentences: word ids; one at least.
        scores: of each, as beam search ranks them.
    """
    weights = np.exp(SHARPNESS * (np.array(scores) - max(scores)))
    return int((likeness(sentences) * weights).sum(1).argmax())


def likeness(sentences: Sequence[Words]) -> Floats:
    """Return how much each sentence resembles each, 0 to 1: `(sentences, sentences)`.

    It is CIDEr-D without its weights of words: the mean cosine of what they count of runs of one to
    four words, less where their lengths differ.
    """
    lengths = np.array([len(words) for words in sentences], np.float32)
    cosines = sum(_cosines(sentences, length) for length in range(1, LONGEST + 1))
    apart = lengths[:, None] - lengths
    alike = np.asarray(cosines / LONGEST * np.exp(-np.square(apart) / (2 * SPREAD**2)), np.float32)
    np.fill_diagonal(alike, 1)  # those too, that are too short for some of the runs
    return alike


def _cosines(sentences: Sequence[Words], length: int) -> Floats:
    counts = [
        Counter(zip(*(words[n:] for n in range(length)), strict=False)) for words in sentences
    ]
    runs = sorted(set().union(*counts))
    rows = np.array([[count[run] for run in runs] for count in counts], np.float32)
    norms = np.sqrt(np.square(rows).sum(1, keepdims=True))
    rows /= np.maximum(norms, 1)  # one that has no such run resembles none
    # A product of matrices would wake the threads of a BLAS, which then take cores from others.
    return np.asarray((rows[:, None] * rows).sum(-1))
