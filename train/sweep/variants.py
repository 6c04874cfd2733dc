"""The classic variants of the captioner: a base, and the changes of each other variant."""

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
    """The base with a few changes."""

    name: str  # of its run's folder
    what: str  # for people
    changes: Mapping[str, Any] = field(default_factory=dict)  # to the base's `FitConfig`
    fine_tuned: bool = False  # trained end to end after the frozen epochs
    self_critical: bool = False  # self-critical training of the base's checkpoint


# Self-critical training comes last, because it starts from the base's checkpoint.
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
    """The settings that all variants of a sweep share."""

    base: FitConfig  # its run is the folder `base`, next to the others
    weights: Mapping[EncoderName, str]  # of the encoders that have any
    fine_tune: int  # epochs
    self_critical: int  # epochs

    def encoder(self, variant: Variant) -> EncoderName:
        """Name the encoder of a variant."""
        encoder: EncoderName = variant.changes.get("encoder", self.base.encoder)
        return encoder

    def steps(self, variant: Variant) -> tuple[Step, ...]:
        """Return the runs of a variant; each starts from scratch or from the one before it.

        Frozen features are cached once for all runs with the same encoder. The encoder of a
        checkpoint counts as a different one, because its weights were rounded.
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
        second = SelfCriticalConfig(
            config.data,
            folder / variant.name,
            config.run / run_folder.BEST,
            epochs=self.self_critical,
            seed=config.seed,
            cache=folder / "cache" / variant.name,
        )
        return config, second
