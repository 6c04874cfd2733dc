"""Where the scenes of a video begin and end, and which frame shows each best.

Two frames are compared by the cosine of the angle between their features, which are the embeddings
that captions are matched by (`forward_pass`). Frames that follow one another are merged, the
nearest first, each group of them standing for the mean of its features, until no two neighbours are
near: hierarchical clustering with centroids, in which only neighbours in time may merge.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from PIL import Image

from captioner.photo.animation import BLANK, spread
from captioner.photo.preprocessing import Pixels, as_picture
from captioner.runtime.protocols import Floats

# Of 1 - cosine. With both models that ship it is above 0.6 for nineteen in twenty pairs of photos
# of Flickr8k's test set; within a photo it stays below 0.15 under a pan over a quarter of it, a
# zoom by a fifth or a shake. `benchmarks/scenes.py` makes clips of photos and counts the scenes
# that are found: any value from 0.3 to 0.4 gives the same counts.
CUT = 0.4
# A later scene shows an earlier one again if the two are nearer than this.
SAME = 0.3
# Seconds: a scene of one frame, at two frames a second, is mostly the middle of a fade.
SHORTEST = 0.7
# A scene of one frame is a mixture of its neighbours, as where one fades into the other, if the
# part of it that they do not explain is less than this share of their difference. In fades between
# Flickr8k's photos it is less than 0.1; for three different photos, above 0.12 in 99.5 % of cases.
MIXED = 0.1
COARSE = 14  # side of the squares that are compared for mixtures: small movements vanish at it
# A frame with less than this share of its scene's median sharpness is blurred.
BLURRED = 0.5


@dataclass(frozen=True)
class Shot:
    """A scene as it was found."""

    start: float  # seconds
    end: float
    frame: int  # the index of the one that shows it
    repeats: int | None  # the index of the earlier scene that it shows again


@dataclass(frozen=True)
class _Group:
    """Frames that are merged."""

    first: int
    last: int
    sum: npt.NDArray[np.float64]  # of their features, each of length 1

    @property
    def mean(self) -> npt.NDArray[np.float64]:
        """The direction of their mean."""
        return self.sum / max(1e-9, float(np.linalg.norm(self.sum)))

    def merged(self, later: "_Group") -> "_Group":
        """Return both."""
        return _Group(self.first, later.last, self.sum + later.sum)


def find(
    squares: Sequence[Pixels],
    features: Floats,
    times: Sequence[float],
    starts: Sequence[float],
    seconds: float,
) -> list[Shot]:
    """Find the scenes of a video.

    Frames of almost one colour, as where a scene fades, belong to none, unless there are no others.

    Args:
        squares: the frames, each `(size, size, 3)`.
        features: of the frames, `(frames, size)`.
        times: when each frame begins, in seconds.
        starts: likewise, when what it shows begins, which may be between two frames.
        seconds: when the last one ends.
    """
    clear = [i for i, square in enumerate(squares) if spread(square) >= BLANK]
    clear = clear or list(range(len(squares)))
    lengths = np.maximum(1e-9, np.linalg.norm(features, axis=1, keepdims=True))
    units = (features / lengths).astype(np.float64)
    groups = _merged([_Group(i, i, units[i]) for i in clear])
    ends = [*times[1:], max(seconds, times[-1])]
    groups = _without_short(_without_fades(groups, squares), times, ends)
    sharp = np.array([sharpness(square) for square in squares])
    ends = [*starts[1:], ends[-1]]
    members = [[i for i in clear if group.first <= i <= group.last] for group in groups]
    return [
        Shot(
            starts[group.first],
            ends[group.last],
            _shown(mine, units, group.mean, sharp),
            _repeated(groups, number),
        )
        for number, (group, mine) in enumerate(zip(groups, members, strict=True))
    ]


def sharpness(square: Pixels) -> float:
    """Return the variance of the Laplacian of a picture's brightness: small if it is blurred.

    (J. Pech-Pacheco et al., *Diatom autofocusing in brightfield microscopy*, ICPR 2000.)
    """
    grey = square.astype(np.float32).mean(-1)
    edges = (
        grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:] - 4 * grey[1:-1, 1:-1]
    )
    return float(edges.var())


def _merged(groups: list[_Group]) -> list[_Group]:
    while len(groups) > 1:
        distances = [_distance(*pair) for pair in pairwise(groups)]
        nearest = int(np.argmin(distances))
        if distances[nearest] >= CUT:
            break
        groups = _joined(groups, nearest)
    return groups


def _without_fades(groups: list[_Group], squares: Sequence[Pixels]) -> list[_Group]:
    """Merge each frame in which one scene fades into another with the nearer of them."""
    index = 1
    while index < len(groups) - 1:
        before, here, after = groups[index - 1 : index + 2]
        around = (before.last, here.first, after.first)
        if here.first == here.last and _is_mixture(*(_coarse(squares[i]) for i in around)):
            earlier = _distance(before, here) <= _distance(here, after)
            groups = _joined(groups, index - 1 if earlier else index)
        else:
            index += 1
    return groups


def _is_mixture(one: Floats, here: Floats, other: Floats) -> bool:
    difference, own = (other - one).ravel(), (here - one).ravel()
    size = max(1e-9, float(difference @ difference))
    share = float(own @ difference) / size
    rest = own - share * difference
    return 0 < share < 1 and float(rest @ rest) < MIXED * size


def _coarse(square: Pixels) -> Floats:
    small = as_picture(square).resize((COARSE, COARSE), Image.Resampling.BOX)
    return np.asarray(small, np.float32)


def _without_short(
    groups: list[_Group], times: Sequence[float], ends: Sequence[float]
) -> list[_Group]:
    """Merge each scene that is too short with its nearer neighbour, the shortest first."""
    while len(groups) > 1:
        lengths = [ends[group.last] - times[group.first] for group in groups]
        shortest = int(np.argmin(lengths))
        if lengths[shortest] >= SHORTEST:
            break
        neighbours = [i for i in (shortest - 1, shortest) if 0 <= i < len(groups) - 1]
        groups = _joined(groups, min(neighbours, key=lambda i: _distance(groups[i], groups[i + 1])))
    return groups


def _joined(groups: list[_Group], index: int) -> list[_Group]:
    return [*groups[:index], groups[index].merged(groups[index + 1]), *groups[index + 2 :]]


def _distance(one: _Group, other: _Group) -> float:
    return 1 - float(one.mean @ other.mean)


def _shown(
    members: Sequence[int],
    units: npt.NDArray[np.float64],
    mean: npt.NDArray[np.float64],
    sharp: npt.NDArray[np.float64],
) -> int:
    """Return the frame that is nearest to the mean of its scene, of those that are not blurred."""
    least = BLURRED * float(np.median(sharp[list(members)]))
    return max((i for i in members if sharp[i] >= least), key=lambda i: float(units[i] @ mean))


def _repeated(groups: Sequence[_Group], number: int) -> int | None:
    near = (i for i in range(number) if _distance(groups[i], groups[number]) < SAME)
    return next(near, None)
