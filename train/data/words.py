"""The vocabulary of a dataset's captions, and whether it is one that can be learned."""

import logging
from collections.abc import Iterable, Iterator, Sequence

from captioner.languages import scripts
from captioner.languages.orthography import PLAIN, Orthography
from captioner.options import Options
from captioner.vocabulary import SPECIAL, UNKNOWN, Vocabulary
from train.data.datasets import Record
from train.errors import SettingError, TrainError

log = logging.getLogger(__name__)

SAMPLE = 10_000  # captions at most are looked at; more say nothing new
MOST = 0.5
# Unknown words leave holes in sentences. Captions that people wrote have a share of 0.01 to 0.06,
# and of 0.16 where a language with many endings has a quarter of the usual number of captions.
UNKNOWN_WORDS = 0.25
CUT = 0.1  # share of captions that are longer than the model learns


def build_vocabulary(
    records: Iterable[Record], min_count: int, orthography: Orthography = PLAIN
) -> Vocabulary:
    """Collect the words that are used at least `min_count` times.

    Raises:
        SettingError: there are too few for a caption.
        TrainError: there are too few, however often they are used.
    """
    captions = [text for record in records for text in record.captions]
    vocabulary = Vocabulary.build(captions, min_count, orthography)
    words = len(vocabulary) - len(SPECIAL)
    if words < Options.min_length and min_count > 1:
        allowed = f"lower: only {words} words of the training captions are as frequent"
        raise SettingError("--min-count", min_count, allowed)
    if words < Options.min_length:
        raise TrainError(
            f"the training captions have only {words} different words, and a caption needs "
            f"{Options.min_length}; check that their column holds captions"
        )
    return vocabulary


def warn(
    records: Sequence[Record],
    vocabulary: Vocabulary,
    max_length: int = Options.max_length,
    language: str | None = None,
) -> None:
    """Log what looks wrong with captions, a warning for each thing.

    Args:
        records: of one split.
        vocabulary: of the model that learns the captions, or that is measured on them.
        max_length: words after which captions are cut.
        language: that the captions are said to be in, if that may be wrong.
    """
    captions = [text for record in records for text in record.captions]
    captions = captions[:: -(-len(captions) // SAMPLE)]
    for doubt in _doubts(captions, vocabulary, max_length, language):
        log.warning("%s", doubt)


def _doubts(
    captions: Sequence[str], vocabulary: Vocabulary, max_length: int, language: str | None
) -> Iterator[str]:
    ids = [vocabulary.encode(text) for text in captions]
    counts = [len(words) for words in ids]
    one = _share([count == 1 for count in counts])
    unknown = sum(words.count(UNKNOWN) for words in ids) / max(1, sum(counts))
    cut = _share([count > max_length for count in counts])
    if one > MOST:
        example = captions[counts.index(1)]
        yield f"{one:.0%} of the captions are a single word, such as {example!r}"
    if unknown > UNKNOWN_WORDS:
        yield (
            f"{unknown:.0%} of the words in the captions are not in the vocabulary; lower "
            "--min-count, add captions, or check that they are in the model's language"
        )
    if cut > CUT:
        yield f"{cut:.0%} of the captions are cut after {max_length} words"
    if language == "en" and _share([_is_foreign(text) for text in captions]) > MOST:
        yield "most captions are not in Latin letters; name their language with --language"


def _is_foreign(text: str) -> bool:
    letters = [letter for letter in text if letter.isalpha()]
    return _share([not scripts.is_latin(letter) for letter in letters]) > MOST


def _share(truths: Sequence[bool]) -> float:
    return sum(truths) / max(1, len(truths))
