"""The configuration of a network; it needs no PyTorch, because not every runtime does."""

from dataclasses import dataclass
from typing import Literal

from captioner.vocabulary import SPECIAL

EncoderName = Literal["resnet18", "resnet34", "resnet50", "resnet101", "resnet152"]


@dataclass(frozen=True)
class ModelConfig:
    """Everything needed to build a `Model`."""

    vocabulary_size: int
    encoder: EncoderName = "resnet50"
    cell: Literal["lstm", "gru"] = "lstm"
    attention: bool = True  # without: every word gets the mean of the whole grid
    attention_score: Literal["additive", "dot"] = "additive"  # Bahdanau's, or scaled dot product
    heads: int = 1  # of dot-product attention
    embedding_size: int = 512
    hidden_size: int = 512
    batch_norm: bool = False  # on the projected grid, instead of layer norm
    tie_embeddings: bool = False  # the output layer shares its weights with the embedding
    dropout: float = 0.4

    def __post_init__(self) -> None:
        """Refuse a network that cannot be built, and name the field that is wrong."""
        allowed = {
            "encoder": ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152"),
            "cell": ("lstm", "gru"),
            "attention_score": ("additive", "dot"),
        }
        for field, values in allowed.items():
            if getattr(self, field) not in values:
                raise ValueError(
                    f"{field} is {getattr(self, field)!r}; allowed are {', '.join(values)}"
                )
        at_least = {"vocabulary_size": len(SPECIAL) + 1, "embedding_size": 1, "hidden_size": 1}
        for field, least in at_least.items():
            if getattr(self, field) < least:
                raise ValueError(f"{field} is {getattr(self, field)}; it must be at least {least}")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout is {self.dropout}; it must be at least 0 and below 1")
        if self.heads < 1 or self.hidden_size % self.heads:
            raise ValueError(f"heads is {self.heads}; it must divide hidden_size")
        if self.heads > 1 and self.attention_score == "additive":
            raise ValueError("heads is for attention_score='dot'; additive attention has one")

    @property
    def channels(self) -> int:
        """How many features the encoder computes for each region."""
        return 512 if self.encoder in ("resnet18", "resnet34") else 2048

    @property
    def start_size(self) -> int:
        """The size of the decoder's start state, all its parts together."""
        return self.hidden_size * (2 if self.cell == "lstm" else 1)
