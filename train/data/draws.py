"""Random numbers of a step, the same however many processes share its photos."""

from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Draws:
    """Numbers for the photos of a step that this process has.

    Each process draws the numbers of the whole step and takes its rows, so that what happens to a
    photo depends on the seed and on its place in the step alone.
    """

    generator: torch.Generator  # on the device where the numbers are needed
    first: int = 0  # the place in the step of this process's first photo
    total: int | None = None  # photos of the step in all processes; None: only those asked for

    def uniform(self, shape: tuple[int, ...]) -> torch.Tensor:
        """Draw numbers of at least 0 and below 1: `(photos, ...)`."""
        photos, *rest = shape
        total = photos if self.total is None else self.total
        device = self.generator.device
        numbers = torch.rand((total, *rest), generator=self.generator, device=device)
        return numbers[self.first : self.first + photos]
