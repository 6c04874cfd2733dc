"""Score the decoders of a checkpoint's other languages, beside what a person scores.

    python -m train evaluate default --data data/flickr8k --languages data/languages

A person is the first caption of each photo, scored against the others of its photo. Photos with a
single caption have none to compare it with; neither has a language whose captions of a photo are
translations of one.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np

from captioner.confidence import Features, confidence
from captioner.languages.orthography import tokenize
from captioner.options import Options
from train.data.datasets import Record
from train.evaluate import EvaluateConfig
from train.languages.opened import Captioned, EncodedSplit, open_languages
from train.limits import check, check_folder
from train.run_folder import results_folder
from train.scoring.calibration_error import calibration_error
from train.scoring.scores import Scorer, Scores


@dataclass(frozen=True)
class Result:
    """The scores of one language."""

    scores: Scores
    person: Scores | None  # None: no photo has two captions
    calibration_error: float | None  # expected, 0..1; None if it is not calibrated

    @property
    def share(self) -> float | None:
        """CIDEr as a share of a person's."""
        return self.scores.cider / self.person.cider if self.person else None


def evaluate_languages(config: EvaluateConfig) -> dict[str, Result]:
    """Caption a split in every language, print a table, and write `languages.json`.

    Raises:
        CheckpointError: a checkpoint cannot be used.
        DatasetError: the dataset, its split or the captions cannot be read.
        PathError: the results cannot be written.
        SettingError: a setting has a value that is not allowed.
    """
    check(config)
    assert config.languages is not None
    out = config.out or results_folder(config.checkpoint)
    check_folder(out, "cannot be the folder of the results; choose another with --out")
    opened = open_languages(
        config.checkpoint,
        config.data,
        config.languages,
        config.device,
        config.runtime,
        config.language,
    )
    split = EncodedSplit(opened, config.split)
    options = Options(
        beam=config.beam[0],
        length_penalty=config.length_penalty[0],
        matching=config.matching[0],
        repeat_words=config.repeat_words,
    )
    results, changed, said = {}, {}, {}
    for code in opened.captions:
        metadata, _ = opened.speakers.speaker(code)
        captioned = split.caption(code, options)
        scores = captioned.scorer.scores(captioned.sentences)
        error = None
        if metadata.calibration:
            cider = captioned.scorer.cider_per_photo(captioned.sentences)
            right = np.array(list(cider.values())) > metadata.calibration.right
            sure = [
                confidence(Features.of(best), metadata.calibration) for best, *_ in captioned.found
            ]
            error = calibration_error(np.array(sure), right)
        results[code] = Result(scores, person(captioned.records, code), error)
        print(_line(code, results[code]), flush=True)
        said[code] = _short(captioned)
        reached = {"split": config.split, "beam": options.beam, **asdict(scores)}
        if found := results[code].person:
            reached["person"] = found.cider
        changed[code] = replace(metadata, scores=reached)
    out.mkdir(parents=True, exist_ok=True)
    (out / "languages.json").write_text(
        json.dumps({code: asdict(result) for code, result in results.items()}, indent=2) + "\n"
    )
    (out / "languages-captions.json").write_text(
        json.dumps(said, indent=2, ensure_ascii=False) + "\n"
    )
    if config.save:
        opened.save(config.save, changed)
    return results


def person(records: Sequence[Record], language: str) -> Scores | None:
    """Score the first caption of each photo against the others; None if there are no others."""
    several = [record for record in records if len(_worded(record)) > 1]
    if len(several) < 2:
        return None
    written = {str(record.photo): _worded(record) for record in several}
    scorer = Scorer({photo: captions[1:] for photo, captions in written.items()}, language=language)
    return scorer.scores({photo: captions[0] for photo, captions in written.items()})


def _worded(record: Record) -> list[str]:
    return [caption for caption in record.captions if tokenize(caption)]


def _short(captioned: Captioned) -> dict[str, str]:
    names = (record.photo.name for record in captioned.records)
    return dict(zip(names, captioned.sentences.values(), strict=True))


def _line(code: str, result: Result) -> str:
    scores, share = result.scores, result.share
    parts = [
        f"{code}  CIDEr {scores.cider:.1f}  BLEU-4 {scores.bleu4:.1f}  ",
        f"{scores.photos} photos  {scores.distinct_words} words",
    ]
    if scores.repeating is not None:
        parts.append(f"  {scores.repeating:.1f} % repeating")
    if result.person and share is not None:
        parts.append(
            f"  a person: CIDEr {result.person.cider:.1f}, BLEU-4 {result.person.bleu4:.1f};"
            f" share {share:.0%}"
        )
    if result.calibration_error is not None:
        parts.append(f"  calibration error {result.calibration_error:.3f}")
    return "".join(parts)
