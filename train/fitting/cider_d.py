"""The reward of a caption in training: CIDEr-D against the reference captions.

CIDEr-D (Vedantam, Zitnick and Parikh, CVPR 2015) as published scores compute it: n-grams up to
four words, clipped counts, a Gaussian penalty with a sigma of 6 on the difference in length, times
ten. It works on whole batches of word ids, and counts the end token as a word: without that reward,
self-critical training learns to stop on "a" or "of" (Rennie et al., CVPR 2017).
"""

from collections import Counter
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from captioner.vocabulary import PAD

Ids = npt.NDArray[np.int64]
Reals = npt.NDArray[np.float64]

ORDERS = (1, 2, 3, 4)
SIGMA = 6.0  # words
BASE = 2**15  # above every word id, so that four of them fit into 64 bits
NOTHING = -1  # the code where no n-gram begins


class CiderD:
    """Scores batches of captions; an n-gram weighs more the fewer photos share it."""

    def __init__(self, references: Sequence[Sequence[Sequence[int]]]) -> None:
        """Count in how many photos each n-gram occurs.

        Args:
            references: for each photo its captions as word ids, with the end token.
        """
        photos: Counter[int] = Counter()
        for captions in references:
            table = _codes(rows(captions))
            photos.update(np.unique(table[table != NOTHING]).tolist())
        codes = np.array(sorted(photos), np.int64)
        self._rarest = float(np.log(len(references)))
        self._codes = codes
        self._rarity = self._rarest - np.log([photos[code] for code in codes.tolist()])

    def __call__(self, captions: Ids, references: Ids) -> Reals:
        """Compare every caption of a photo with every reference of the same photo.

        Args:
            captions: `(photos, captions, length)`, word ids with the end token, then `PAD`.
            references: `(photos, references, length)`, in the same form.

        Returns:
            `(photos, captions, references)`; the mean over the references is CIDEr-D. A caption
            that is the same as a reference scores 10 with it.
        """
        ours, theirs = _codes(captions), _codes(references)
        ours_rarity, theirs_rarity = self._rarities(ours), self._rarities(theirs)
        # For each n-gram of a caption: its count there, and in each reference.
        own = _count(ours, ours)
        others = (ours[:, :, None, :, :, None] == theirs[:, None, :, :, None, :]).sum(-1)
        shared = np.minimum(own[:, :, None], others) * others / own[:, :, None]
        overlap = (shared * ours_rarity[:, :, None] ** 2).sum(-1)
        # The sum over positions has an n-gram as often as it occurs: one factor of its count.
        norm = np.sqrt((own * ours_rarity**2).sum(-1))
        norms = np.sqrt((_count(theirs, theirs) * theirs_rarity**2).sum(-1))
        scale = norm[:, :, None] * norms[:, None]
        cosine = np.divide(overlap, scale, out=np.zeros_like(overlap), where=scale > 0).mean(-1)
        # The published code counts bigrams, whose differences are the same as those of words.
        lengths, wanted = (captions != PAD).sum(-1), (references != PAD).sum(-1)
        difference = lengths[:, :, None] - wanted[:, None]
        present = wanted[:, None] > 0
        return 10 * cosine * np.exp(-(difference**2) / (2 * SIGMA**2)) * present

    def _rarities(self, codes: Ids) -> Reals:
        if not len(self._codes):
            return np.where(codes == NOTHING, 0.0, self._rarest)
        place = np.searchsorted(self._codes, codes).clip(max=len(self._codes) - 1)
        rarity = np.where(self._codes[place] == codes, self._rarity[place], self._rarest)
        return np.where(codes == NOTHING, 0.0, rarity)


def rows(captions: Sequence[Sequence[int]]) -> Ids:
    """Put captions into an array `(captions, length)`, with `PAD` at the end."""
    table = np.full((len(captions), max((len(row) for row in captions), default=0)), PAD, np.int64)
    for index, row in enumerate(captions):
        table[index, : len(row)] = row
    return table


def _codes(captions: Ids) -> Ids:
    """Return codes of the n-grams at each position: `(..., length)` to `(..., orders, length)`."""
    table = np.full((*captions.shape[:-1], len(ORDERS), captions.shape[-1]), NOTHING, np.int64)
    code = np.zeros_like(captions)
    whole = np.ones(captions.shape, bool)
    for order in ORDERS:
        later = np.zeros_like(captions)  # PAD
        later[..., : captions.shape[-1] - order + 1] = captions[..., order - 1 :]
        whole &= later != PAD
        code = code * BASE + later
        table[..., order - 1, :] = np.where(whole, code, NOTHING)
    return table


def _count(codes: Ids, others: Ids) -> Ids:
    return (codes[..., :, None] == others[..., None, :]).sum(-1)
