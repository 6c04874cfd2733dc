"""The configuration of a network; it needs no PyTorch, because not every runtime does."""

from dataclasses import dataclass
from typing import Literal

from captioner.vocabulary import SPECIAL

EncoderName = Literal["resnet18", "resnet34", "resnet50", "resnet101", "resnet152"]


class ConfigError(ValueError):
    """A field of a configuration with a value that is not allowed."""

    def __init__(self, field: str, value: object, allowed: str) -> None:
        """Name the field, its value, and what is allowed."""
        super().__init__(field, value, allowed)
        self.field, self.value, self.allowed = field, value, allowed

    def __str__(self) -> str:
        """Return one line."""
        return f"{self.field} is {self.value}; it must be {self.allowed}"


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
        """Refuse a network that cannot be built with a `ConfigError`."""
        allowed = {
            "encoder": ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152"),
            "cell": ("lstm", "gru"),
            "attention_score": ("additive", "dot"),
        }
        for field, values in allowed.items():
            if getattr(self, field) not in values:
                allowed_values = f"one of {', '.join(values)}"
                raise ConfigError(field, getattr(self, field), allowed_values)
        at_least = {"vocabulary_size": len(SPECIAL) + 1, "embedding_size": 1, "hidden_size": 1}
        for field, least in at_least.items():
            if getattr(self, field) < least:
                raise ConfigError(field, getattr(self, field), f"at least {least}")
        if not 0 <= self.dropout < 1:
            raise ConfigError("dropout", self.dropout, "at least 0 and below 1")
        if self.heads < 1 or self.hidden_size % self.heads:
            raise ConfigError("heads", self.heads, f"a divisor of hidden_size, {self.hidden_size}")
        if self.heads > 1 and self.attention_score == "additive":
            raise ConfigError("heads", self.heads, "1 with additive attention")

    @property
    def channels(self) -> int:
        """How many features the encoder computes for each region."""
        return 512 if self.encoder in ("resnet18", "resnet34") else 2048

    @property
    def start_size(self) -> int:
        """The size of the decoder's start state, all its parts together."""
        return self.hidden_size * (2 if self.cell == "lstm" else 1)
