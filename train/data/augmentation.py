"""Random changes of photos, a whole batch at a time and where the photos are: on a GPU or the CPU.

The changes are those of torchvision's `RandomResizedCrop`, `ColorJitter`, `RandomErasing` and
`RandomHorizontalFlip`, in this order, each photo with random numbers of its own.
"""

import math
from dataclasses import dataclass

import torch
from torch.nn import functional

from train.data.draws import Draws

GREY = 116  # near the mean of ImageNet's photos, which is zero after normalization
CROP_RATIO = (0.8, 1.25)  # width to height
ATTEMPTS = 10  # to find a crop that fits into the photo
COLOUR = 0.2  # brightness, contrast and saturation change by at most this share
ERASED = (0.02, 0.2)  # share of a photo
ERASED_RATIO = (0.3, 3.3)  # height to width


@dataclass(frozen=True)
class Augmentation:
    """Random changes of photos, so that no two epochs get the same pixels."""

    crop: float = 0.67  # smallest share of a photo that is kept; captions must stay true of it
    erase: float = 0.0  # share of photos in which a rectangle is blanked

    def __call__(self, photos: torch.Tensor, flips: torch.Tensor, draws: Draws) -> torch.Tensor:
        """Change photos.

        Args:
            photos: `(batch, 3, size, size)`, uint8.
            flips: `(batch,)`, whether a photo may be mirrored; half of these are.
            draws: random numbers, on the device of the photos.

        Returns:
            new photos of the same shape, type and device.
        """
        mirrored = flips & (_uniform(flips.shape, 0, 1, draws) < 0.5)
        boxes = random_crops(len(photos), photos.shape[-1], self.crop, draws)
        changed = _jitter(cropped(photos, boxes, mirrored), draws)
        if self.erase:
            changed = _erased(changed, self.erase, draws)
        return changed.byte()


def random_crops(count: int, size: int, smallest: float, draws: Draws) -> torch.Tensor:
    """Choose boxes of at least a share of a photo, of any size above it and about square.

    Returns:
        left, top, width and height of each, whole numbers: `(count, 4)`.
    """
    shape = (count, ATTEMPTS)
    area = size**2 * _uniform(shape, smallest, 1, draws)
    ratio = _ratios(shape, CROP_RATIO, draws)
    sides = torch.stack(((area * ratio).sqrt(), (area / ratio).sqrt()), -1).round()
    fits = (sides.amin(-1) >= 1) & (sides.amax(-1) <= size)
    # The first that fits; the whole photo where none does.
    sides = functional.pad(sides, (0, 0, 0, 1), value=size)
    first = functional.pad(fits, (0, 1), value=True).int().argmax(1)
    sides = sides[torch.arange(count, device=first.device), first]
    return torch.cat((_corners(sides, size, draws), sides), 1)


def cropped(photos: torch.Tensor, boxes: torch.Tensor, mirrored: torch.Tensor) -> torch.Tensor:
    """Scale a box of each photo to the size of the photo.

    Args:
        photos: `(batch, 3, size, size)`, uint8.
        boxes: `(batch, 4)`, left, top, width and height.
        mirrored: `(batch,)`, whether left and right change places.

    Returns:
        `(batch, 3, size, size)`, whole numbers in float32.
    """
    size = photos.shape[-1]
    corners, sides = boxes[:, None].split(2, -1)
    middles = (torch.arange(size, device=photos.device) + 0.5)[:, None] / size
    # Where the middle of each new pixel is in the old photo; not beyond the middles of the
    # outermost pixels of the box, so that nothing outside of it is mixed in.
    inside = (middles * sides).clamp(min=0.5).minimum(sides - 0.5)
    x, y = (2 / size * (corners + inside) - 1).unbind(-1)
    x = torch.where(mirrored[:, None], x.flip(1), x)
    grid = torch.stack(torch.broadcast_tensors(x[:, None, :], y[:, :, None]), -1)
    return functional.grid_sample(photos.float(), grid, "bilinear", "border", False).round_()


def _jitter(photos: torch.Tensor, draws: Draws) -> torch.Tensor:
    """Change brightness, contrast and saturation, for each photo in an order of its own."""
    count = len(photos)
    factors = _uniform((count, 3), 1 - COLOUR, 1 + COLOUR, draws)
    orders = _uniform((count, 3), 0, 1, draws).argsort(1)
    for change in orders.split(1, 1):
        factor, change = (x.view(-1, 1, 1, 1) for x in (factors.gather(1, change), change))
        grey = _grey(photos)
        mean = grey.mean((2, 3), keepdim=True)
        # Brightness is a mixture with black, contrast with the mean, saturation with grey.
        other = torch.where(change == 2, grey, torch.where(change == 1, mean, 0))
        photos = torch.lerp(other, photos, factor).clamp_(0, 255).floor_()
    return photos


def _grey(photos: torch.Tensor) -> torch.Tensor:
    """Return the brightness of each pixel, `(batch, 1, size, size)`, as ITU-R BT.601 has it."""
    red, green, blue = photos.split(1, 1)
    return (0.2989 * red).add_(green, alpha=0.587).add_(blue, alpha=0.114).floor_()


def _erased(photos: torch.Tensor, share: float, draws: Draws) -> torch.Tensor:
    """Blank a rectangle in a share of the photos."""
    count, size = len(photos), photos.shape[-1]
    area = size**2 * _uniform((count,), *ERASED, draws)
    ratio = _ratios((count,), ERASED_RATIO, draws)
    sides = torch.stack(((area / ratio).sqrt(), (area * ratio).sqrt()), -1).round()
    sides = sides * (_uniform((count, 1), 0, 1, draws) < share)
    corners = _corners(sides, size, draws)
    place = torch.arange(size, device=photos.device)[:, None]
    x, y = ((place >= corners[:, None]) & (place < (corners + sides)[:, None])).unbind(-1)
    return photos.masked_fill((x[:, None, :] & y[:, :, None])[:, None], GREY)


def _corners(sides: torch.Tensor, size: int, draws: Draws) -> torch.Tensor:
    """Choose where boxes with these sides are in a photo: `(count, 2)`, left and top."""
    return (_uniform(sides.shape, 0, 1, draws) * (size + 1 - sides)).floor()


def _ratios(shape: tuple[int, ...], limits: tuple[float, float], draws: Draws) -> torch.Tensor:
    return _uniform(shape, math.log(limits[0]), math.log(limits[1]), draws).exp()


def _uniform(shape: tuple[int, ...], low: float, high: float, draws: Draws) -> torch.Tensor:
    return low + (high - low) * draws.uniform(shape)
