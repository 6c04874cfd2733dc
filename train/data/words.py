"""The vocabulary of a dataset's captions."""

from collections.abc import Iterable

from captioner.options import Options
from captioner.vocabulary import SPECIAL, Vocabulary
from train.data.datasets import Record
from train.errors import SettingError


def build_vocabulary(records: Iterable[Record], min_count: int) -> Vocabulary:
    """Collect the words that are used at least `min_count` times.

    Raises:
        SettingError: there are too few for a caption.
    """
    captions = [text for record in records for text in record.captions]
    vocabulary = Vocabulary.build(captions, min_count)
    words = len(vocabulary) - len(SPECIAL)
    if words < Options.min_length:
        allowed = f"lower: only {words} words of the training captions are as frequent"
        raise SettingError("--min-count", min_count, allowed)
    return vocabulary
