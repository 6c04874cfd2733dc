"""Scores of captions against their references: BLEU, ROUGE-L, CIDEr, METEOR and SPICE.

Every score comes from pycocoevalcap, the code behind published results, and is in percent points as
in papers (BLEU-4 22.1, CIDEr 57.3). Its Java programs are optional: without Java our own tokenizer
replaces CoreNLP's, `Scores.tokenizer` names it, and METEOR and SPICE are left out.

Both of these tokenizers are made for English, and take other scripts apart. Captions in another
language are compared by the words that a vocabulary has: of Chinese, by characters.
"""

import contextlib
import importlib
import logging
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from captioner.languages import orthography, scripts
from captioner.languages.repetition import repeats_word
from captioner.languages.small_words import LANGUAGES
from train.errors import TrainError
from train.scoring import ptb_tokenizer

Tokenizer = Literal["auto", "ptb", "python", "words"]

PTB = "PTB (Stanford CoreNLP)"
PYTHON = "PTB-like (pure Python)"
WORDS = "words of the vocabulary"
FOREIGN = 0.1  # share of letters that are not Latin from which on captions are not English

# Self-critical training without the end token in its reward learns to stop on one of these
# (Rennie et al. 2017). Of the reference captions of Flickr8k, 0.6 % do, most of them on "on".
# fmt: off
DANGLING_ENDS = frozenset((
    "a", "an", "and", "are", "as", "at", "but", "for", "from", "has", "have", "his", "in", "into",
    "is", "its", "my", "of", "on", "onto", "or", "our", "than", "that", "the", "their", "these",
    "this", "those", "to", "was", "were", "which", "while", "who", "whose", "with", "your",
))
# fmt: on

_log = logging.getLogger(__name__)


class ScoringError(TrainError):
    """Captions that cannot be scored; the text says what is missing."""


@dataclass(frozen=True)
class Scores:
    """The scores of captions for a set of photos, in percent points unless noted."""

    bleu1: float
    bleu2: float
    bleu3: float
    bleu4: float
    rouge_l: float
    cider: float  # may exceed 100; 0 for a single photo, because all photos share its words
    meteor: float | None  # None: not computed
    spice: float | None  # None: not computed
    tokenizer: str  # PTB, PYTHON or WORDS
    photos: int  # count
    distinct_words: int  # count, over all captions
    dangling: float  # share of captions that end on one of DANGLING_ENDS
    # Share of captions that repeat a word for nothing; None: not in `small_words.LANGUAGES`.
    repeating: float | None


class Scorer:
    """Scores captions of the same photos any number of times; references are tokenized once."""

    def __init__(
        self,
        references: Mapping[str, Sequence[str]],
        *,
        tokenizer: Tokenizer = "auto",
        language: str = "en",
    ) -> None:
        """Tokenize the references of each photo.

        "ptb" is CoreNLP's tokenizer and needs Java, "python" is our own, "words" splits as a
        vocabulary does. "auto" uses the first for English if it runs, else the second, and the
        third for other languages and scripts. `self.tokenizer` names the one in use. `language`
        is that of the captions, in which repeated words are counted.

        Raises:
            ScoringError: there are no photos, or one has no reference with a word in it;
                pycocoevalcap is not installed, or "ptb" is asked for and does not run.
        """
        if not references:
            raise ScoringError("There is nothing to score: no photo has references.")
        sentences = [sentence for group in references.values() for sentence in group]
        self._language = LANGUAGES.get(language)
        if tokenizer == "auto" and (language != "en" or _is_foreign(sentences)):
            tokenizer = "words"
        self.tokenizer, self._tokenize, tokens = _first_tokenization(sentences, tokenizer)
        rest = iter(tokens)
        self._references = {photo: [next(rest) for _ in refs] for photo, refs in references.items()}
        wordless = [photo for photo, refs in self._references.items() if not any(refs)]
        _refuse(wordless, "no reference with a word in it")

    def scores(
        self, captions: Mapping[str, str], *, meteor: bool = False, spice: bool = False
    ) -> Scores:
        """Score one caption for each photo that has references.

        METEOR takes about 17 s for 1,000 photos and SPICE downloads CoreNLP at first use, so both
        are optional. One that cannot be computed is None, and the log says why.

        Raises:
            ScoringError: a photo has no caption, no words in it, or no references.
        """
        tokenized = self._tokenized(captions)
        both = self._references, tokenized
        bleu, _ = _pycocoevalcap("bleu.bleu").Bleu(4).compute_score(*both, verbose=0)
        rouge, _ = _pycocoevalcap("rouge.rouge").Rouge().compute_score(*both)
        cider, _ = _pycocoevalcap("cider.cider").Cider().compute_score(*both)
        sentences = [caption.split() for (caption,) in tokenized.values()]
        english = self.tokenizer != WORDS
        return Scores(
            bleu1=100 * float(bleu[0]),
            bleu2=100 * float(bleu[1]),
            bleu3=100 * float(bleu[2]),
            bleu4=100 * float(bleu[3]),
            rouge_l=100 * float(rouge),
            cider=100 * float(cider),
            meteor=_or_none("METEOR", _meteor if english else _refused, *both) if meteor else None,
            spice=_or_none("SPICE", _spice if english else _refused, *both) if spice else None,
            tokenizer=self.tokenizer,
            photos=len(sentences),
            distinct_words=len({word for words in sentences for word in words}),
            dangling=_percent([words[-1] in DANGLING_ENDS for words in sentences]),
            repeating=None
            if self._language is None
            else _percent([repeats_word(words, self._language) for words in sentences]),
        )

    def cider_per_photo(self, captions: Mapping[str, str]) -> dict[str, float]:
        """Compute each photo's own CIDEr, in percent points; their mean is `Scores.cider`.

        Raises as `scores` does.
        """
        cider = _pycocoevalcap("cider.cider").Cider()
        _, each = cider.compute_score(self._references, self._tokenized(captions))
        return dict(zip(self._references, map(float, 100 * each), strict=True))

    def _tokenized(self, captions: Mapping[str, str]) -> dict[str, list[str]]:
        _refuse([photo for photo in self._references if photo not in captions], "no caption")
        _refuse([photo for photo in captions if photo not in self._references], "no references")
        tokens = self._tokenize([captions[photo] for photo in self._references])
        tokenized = {photo: [line] for photo, line in zip(self._references, tokens, strict=True)}
        _refuse([photo for photo, (line,) in tokenized.items() if not line], "an empty caption")
        return tokenized


def _percent(found: Sequence[bool]) -> float:
    return 100 * sum(found) / len(found)


def _refuse(photos: Sequence[str], what: str) -> None:
    if photos:
        more = f" (and {len(photos) - 1} more)" if len(photos) > 1 else ""
        raise ScoringError(f"Photo {photos[0]} has {what}{more}.")


def _first_tokenization(
    sentences: Sequence[str], tokenizer: Tokenizer
) -> tuple[str, Callable[[Sequence[str]], list[str]], list[str]]:
    if tokenizer == "words":
        return WORDS, _words, _words(sentences)
    if tokenizer != "python":
        try:
            return PTB, _ptb_tokens, _ptb_tokens(sentences)
        except ScoringError as error:
            if tokenizer == "ptb":
                raise
            _log.warning("%s A tokenizer in pure Python is used instead.", error)
    return PYTHON, _python_tokens, _python_tokens(sentences)


def _is_foreign(sentences: Sequence[str]) -> bool:
    """Return whether captions have more than a few letters of another script than English."""
    others = [letter for text in sentences if not text.isascii() for letter in text]
    foreign = sum(letter.isalpha() and not scripts.is_latin(letter) for letter in others)
    return foreign > FOREIGN * sum(map(len, sentences))


def _words(sentences: Sequence[str]) -> list[str]:
    return [" ".join(orthography.tokenize(sentence)) for sentence in sentences]


def _python_tokens(sentences: Sequence[str]) -> list[str]:
    return [ptb_tokenizer.tokenize(scripts.normalized(sentence)) for sentence in sentences]


def _ptb_tokens(sentences: Sequence[str]) -> list[str]:
    # pycocoevalcap's own wrapper writes into the installed package, prints to standard error, and
    # takes a failure of Java for captions without words.
    module = _pycocoevalcap("tokenizer.ptbtokenizer")
    jar = Path(module.__file__).with_name(module.STANFORD_CORENLP_3_4_1_JAR)
    program = ["edu.stanford.nlp.process.PTBTokenizer", "-preserveLines", "-lowerCase"]
    run = subprocess.run(
        [_java(), "-cp", str(jar), *program, "-encoding", "utf-8"],
        input="".join(" ".join(scripts.normalized(one).split()) + "\n" for one in sentences),
        capture_output=True,
        encoding="utf-8",
        errors="replace",
    )
    lines = run.stdout.split("\n")[:-1]
    if run.returncode != 0 or len(lines) != len(sentences):
        raise ScoringError(f"Java could not run the PTB tokenizer: {_last_line(run.stderr)}")
    dropped = frozenset(module.PUNCTUATIONS)
    return [" ".join(word for word in line.split(" ") if word not in dropped) for line in lines]


def _or_none(
    name: str,
    metric: Callable[[dict[str, list[str]], dict[str, list[str]]], float],
    references: dict[str, list[str]],
    captions: dict[str, list[str]],
) -> float | None:
    try:
        return metric(references, captions)
    except ScoringError as error:
        _log.warning("%s was not computed. %s", name, error)
        return None


def _refused(*_: object) -> float:
    raise ScoringError("It is made for English.")


def _meteor(references: dict[str, list[str]], captions: dict[str, list[str]]) -> float:
    _java()
    scorer = _pycocoevalcap("meteor.meteor").Meteor()
    process = scorer.meteor_p
    try:
        mean, _ = scorer.compute_score(references, captions)
    except (OSError, ValueError) as error:
        process.kill()
        reason = _last_line(process.stderr.read().decode(errors="replace"))
        raise ScoringError(f"Java could not run METEOR: {reason}") from error
    finally:
        # Its destructor leaves pipes open and waits for this lock, which a failed call keeps.
        if scorer.lock.locked():
            scorer.lock.release()
        process.kill()
        process.communicate()
    return 100 * float(mean)


def _spice(references: dict[str, list[str]], captions: dict[str, list[str]]) -> float:
    _java()
    try:
        # It reports its download with print().
        with contextlib.redirect_stdout(sys.stderr):
            mean, _ = _pycocoevalcap("spice.spice").Spice().compute_score(references, captions)
    except (OSError, subprocess.SubprocessError, zipfile.BadZipFile, ValueError) as error:
        raise ScoringError(
            "It downloads Stanford CoreNLP at its first use and was written for Java 8; "
            f"here it failed with: {error}"
        ) from error
    return 100 * float(mean)


def _java() -> str:
    java = shutil.which("java")
    if java is None:
        raise ScoringError("There is no java on the PATH (any version from 8 on will do).")
    return java


def _last_line(text: str) -> str:
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "no reason")


def _pycocoevalcap(module: str) -> Any:
    try:
        return importlib.import_module(f"pycocoevalcap.{module}")
    except ModuleNotFoundError as error:
        raise ScoringError(
            "Scoring needs pycocoevalcap, which comes with: pip install -e '.[train]'"
        ) from error
