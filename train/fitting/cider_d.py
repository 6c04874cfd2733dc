"""The reward of a caption in training: CIDEr-D against the reference captions.

CIDEr-D (Vedantam, Zitnick and Parikh, CVPR 2015) as published scores compute it: n-grams up to
four words, clipped counts, a Gaussian penalty with a sigma of 6 on the difference in length, times
ten. It works on whole batches of word ids, on the device that sampled them, and counts the end
token as a word: without that reward, self-critical training learns to stop on "a" or "of" (Rennie
et al., CVPR 2017).
"""

import math
from collections.abc import Sequence

import torch
from torch.nn import functional
from torch.nn.utils.rnn import pad_sequence

from captioner.vocabulary import END, PAD, Vocabulary

ORDERS = (1, 2, 3, 4)
SIGMA = 6.0  # words
BASE = 2**15  # above every word id, so that four of them fit into 64 bits
NOTHING = -1  # the code where no n-gram begins


class CiderD:
    """Scores batches of captions; an n-gram weighs more the fewer photos share it."""

    def __init__(
        self, references: Sequence[Sequence[Sequence[int]]], device: torch.device | str = "cpu"
    ) -> None:
        """Count in how many photos each n-gram occurs.

        Args:
            references: for each photo its captions as word ids, with the end token.
            device: where captions will be scored.
        """
        every = rows([caption for captions in references for caption in captions])
        table = pad_sequence(every.split([len(captions) for captions in references]), True, PAD)
        codes, photos = _distinct(_codes(table).flatten(1)).unique(return_counts=True)
        # Metal has no double precision.
        real = torch.float32 if torch.device(device).type == "mps" else torch.float64
        self._rarest = math.log(len(references))
        self._codes = codes.to(device)
        self._rarity = (self._rarest - photos.double().log()).to(device, real)

    def __call__(self, captions: torch.Tensor, references: torch.Tensor) -> torch.Tensor:
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
        own = _count(ours, ours).to(ours_rarity)[:, :, None]
        others = _count(ours[:, :, None], theirs[:, None])
        shared = torch.minimum(own, others) * others / own
        overlap = (shared * ours_rarity[:, :, None] ** 2).sum(-1)
        # The sum over positions has an n-gram as often as it occurs: one factor of its count.
        norm = (own[:, :, 0] * ours_rarity**2).sum(-1).sqrt()
        norms = (_count(theirs, theirs) * theirs_rarity**2).sum(-1).sqrt()
        scale = norm[:, :, None] * norms[:, None]
        cosine = torch.where(scale > 0, overlap / scale, 0).mean(-1)
        # The published code counts bigrams, whose differences are the same as those of words.
        lengths, wanted = (captions != PAD).sum(-1), (references != PAD).sum(-1)
        difference = (lengths[:, :, None] - wanted[:, None]).to(cosine)
        present = wanted[:, None] > 0
        return 10 * cosine * torch.exp(-(difference**2) / (2 * SIGMA**2)) * present

    def _rarities(self, codes: torch.Tensor) -> torch.Tensor:
        if not len(self._codes):
            return torch.where(codes == NOTHING, 0, self._rarity.new_tensor(self._rarest))
        place = torch.searchsorted(self._codes, codes).clamp(max=len(self._codes) - 1)
        rarity = torch.where(self._codes[place] == codes, self._rarity[place], self._rarest)
        return rarity.masked_fill(codes == NOTHING, 0)


def ended(text: str, vocabulary: Vocabulary) -> list[int]:
    """Return a caption as `CiderD` takes it: word ids, and the end."""
    return [*vocabulary.encode(text), END]


def rows(captions: Sequence[Sequence[int]]) -> torch.Tensor:
    """Put captions into a tensor `(captions, length)`, with `PAD` at the end."""
    if not captions:
        return torch.empty((0, 0), dtype=torch.long)
    return pad_sequence([torch.tensor(row, dtype=torch.long) for row in captions], True, PAD)


def _distinct(codes: torch.Tensor) -> torch.Tensor:
    """Return the codes of each row `(rows, codes)`, once for each row in which they occur."""
    codes = codes.sort(-1).values
    first = functional.pad(codes[:, 1:] != codes[:, :-1], (1, 0), value=True)
    return codes[first & (codes != NOTHING)]


def _codes(captions: torch.Tensor) -> torch.Tensor:
    """Return codes of the n-grams at each position: `(..., length)` to `(..., orders, length)`."""
    code, whole = torch.zeros_like(captions), torch.ones_like(captions, dtype=torch.bool)
    codes = []
    for order in ORDERS:
        later = functional.pad(captions, (0, order - 1), value=PAD)[..., order - 1 :]
        whole = whole & (later != PAD)
        code = code * BASE + later
        codes.append(code.masked_fill(~whole, NOTHING))
    return torch.stack(codes, -2)


def _count(codes: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
    """Count each code of `(..., length)` among the others `(..., other length)`."""
    shape = torch.broadcast_shapes(codes.shape[:-1], others.shape[:-1])
    among = others.sort(-1).values.expand(*shape, -1).contiguous()
    codes = codes.expand(*shape, -1).contiguous()
    return torch.searchsorted(among, codes, right=True) - torch.searchsorted(among, codes)
