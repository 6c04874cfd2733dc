"""A network that begins each sentence as its language does."""

from typing import Generic

from captioner.runtime.protocols import Array, DecoderState, Floats, Ids, Memory, Network


class LanguageNetwork(Generic[Array]):
    """A network of one language: what the language adds to the start state tells it which."""

    def __init__(self, network: Network[Array], start: tuple[Array, ...]) -> None:
        """Wrap a network.

        Args:
            network: whose decoder has the language's words.
            start: what is added to each part of the start state, `(hidden,)` each.
        """
        self._network, self._start = network, start

    def begin(self, memory: Memory[Array]) -> DecoderState:
        """Return the state before the first word; see `protocols.Network`."""
        return self._network.begin(memory.started(self._start))

    def attention(self, tokens: Ids, memory: Memory[Array]) -> Floats | None:
        """Return where sentences look; see `protocols.Network`."""
        return self._network.attention(tokens, memory.started(self._start))

    def pooled_features(self, memory: Memory[Array]) -> Floats:
        """Return the encoder's features of each photo; see `protocols.Network`."""
        return self._network.pooled_features(memory)

    def multiply(self, rows: Floats, matrix: Floats) -> Floats:
        """Multiply where it takes least from the network; see `protocols.Network`."""
        return self._network.multiply(rows, matrix)
