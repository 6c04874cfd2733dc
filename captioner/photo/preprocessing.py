"""Turns RGB pixels into the encoder's input, by one function for training and serving.

PyTorch is imported only where it is needed, so that a process that decodes photos stays small.
"""

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from PIL import Image

if TYPE_CHECKING:
    import torch

Pixels = npt.NDArray[np.uint8]  # (height, width, 3), RGB


@dataclass(frozen=True)
class Preprocessing:
    """How a photo becomes the encoder's input; every checkpoint carries its own settings.

    The whole photo is squeezed to a square, so that nothing at its edges is lost.
    """

    size: int = 224  # side of the square in pixels
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)  # ImageNet, RGB, of values in 0..1
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)

    def squeeze(self, photo: Pixels | Image.Image) -> Pixels:
        """Scale a photo to the square, antialiased.

        Args:
            photo: `(height, width, 3)`, uint8, RGB, or a picture in RGB.

        Returns:
            `(size, size, 3)`, uint8, RGB.
        """
        square, picture = (self.size, self.size), as_picture(photo)
        if picture.size == square:
            return np.asarray(photo)
        return np.array(picture.resize(square, Image.Resampling.BILINEAR))

    def normalize(self, photos: "torch.Tensor") -> "torch.Tensor":
        """Normalize squeezed photos by the mean and the standard deviation of each channel.

        Args:
            photos: `(batch, 3, size, size)`, uint8, or float in 0..255, RGB.

        Returns:
            The same shape in float32 on the same device, channels last in memory.
        """
        import torch

        mean, std = (_on_device(values, photos.device) for values in (self.mean, self.std))
        photos = photos.to(torch.float32, memory_format=torch.channels_last)
        return (photos / 255 - mean) / std


@cache
def _on_device(values: tuple[float, ...], device: "torch.device") -> "torch.Tensor":
    """Put one value for each channel on a device, once: a captured graph must not copy them."""
    import torch

    with torch.inference_mode(False):  # so that training can use them too
        return torch.tensor(values, device=device).view(-1, 1, 1)


def as_picture(photo: Pixels | Image.Image) -> Image.Image:
    """Return a photo as Pillow takes it; between the two forms all pixels are copied."""
    return photo if isinstance(photo, Image.Image) else Image.fromarray(photo)


def middle(photo: Pixels | Image.Image, size: int) -> Pixels:
    """Cut the square in the middle of a photo, as large as it can be, and scale it, antialiased.

    Args:
        photo: `(height, width, 3)`, uint8, RGB, or a picture in RGB.
        size: side of the result in pixels.

    Returns:
        `(size, size, 3)`, uint8, RGB.
    """
    picture = as_picture(photo)
    width, height = picture.size
    left, above = max(0, width - height) / 2, max(0, height - width) / 2
    box = (left, above, width - left, height - above)
    return np.array(picture.resize((size, size), Image.Resampling.BILINEAR, box))


def shrink(photo: Pixels | Image.Image, max_side: int) -> Pixels:
    """Scale a photo down, keeping its proportions, until no side exceeds `max_side` pixels."""
    picture = as_picture(photo).copy()
    picture.thumbnail((max_side, max_side))
    return np.array(picture)
