"""The classic variants of the captioner: one base, and what is changed in each of the others."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from captioner.config import EncoderName
from train import run_folder
from train.fit import FitConfig
from train.self_critical import SelfCriticalConfig
from train.sweep.steps import Step

BASE = "base"


@dataclass(frozen=True)
class Variant:
    """One run of the sweep: the base with a few changes."""

    name: str  # of its run's folder
    what: str  # in words
    changes: Mapping[str, Any] = field(default_factory=dict)  # of the base's `FitConfig`
    fine_tuned: bool = False  # goes on end to end after the frozen epochs
    self_critical: bool = False  # goes on from the base by what captions are worth


# Self-critical runs stand last: what they need of the others is trained by then.
VARIANTS = (
    Variant(BASE, "LSTM with dot-product attention"),
    Variant("additive", "additive attention", {"attention_score": "additive"}),
    Variant("no-attention", "no attention", {"attention": False}),
    Variant("gru", "GRU in the LSTM's place", {"cell": "gru"}),
    Variant("resnet18", "ResNet-18 as encoder", {"encoder": "resnet18"}),
    Variant("resnet34", "ResNet-34 as encoder", {"encoder": "resnet34"}),
    Variant("resnet101", "ResNet-101 as encoder", {"encoder": "resnet101"}),
    Variant("resnet152", "ResNet-152 as encoder", {"encoder": "resnet152"}),
    Variant("fine-tuned", "then fine-tuned end to end", fine_tuned=True),
    Variant("self-critical", "then self-critical training", self_critical=True),
)


@dataclass(frozen=True)
class Plan:
    """What the variants of one sweep share."""

    base: FitConfig  # its run is the folder `base` among the others
    weights: Mapping[EncoderName, str]  # where the encoders' weights are, for those that have any
    fine_tune: int  # epochs
    self_critical: int  # epochs

    def encoder(self, variant: Variant) -> EncoderName:
        """Name the encoder of a variant."""
        encoder: EncoderName = variant.changes.get("encoder", self.base.encoder)
        return encoder

    def steps(self, variant: Variant) -> tuple[Step, ...]:
        """Return the runs that make a variant, each from nothing or from the one before it.

        What frozen encoders see is kept once for all runs of the same encoder; the encoder of a
        checkpoint is another, for it was rounded.
        """
        folder, encoder = self.base.run.parent, self.encoder(variant)
        config = dataclasses.replace(
            self.base,
            **variant.changes,
            run=folder / (BASE if variant.self_critical else variant.name),
            encoder_weights=self.weights[encoder],
            fine_tune=self.fine_tune if variant.fine_tuned else 0,
            cache=folder / "cache" / encoder,
        )
        if not variant.self_critical:
            return (config,)
        further = SelfCriticalConfig(
            config.data,
            folder / variant.name,
            config.run / run_folder.BEST,
            epochs=self.self_critical,
            seed=config.seed,
            cache=folder / "cache" / variant.name,
        )
        return config, further
