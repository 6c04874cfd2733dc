"""Fit how likely a caption is right in each of a checkpoint's other languages.

    python -m train calibrate default --data data/flickr8k --languages data/languages --save FILE

As for the checkpoint's own language, on validation captions. CIDEr-D differs between languages,
and with the number of references, so a caption is right if it has two thirds of the mean: as in
English, where the mean is 75 and a caption above 50 is right.
"""

import dataclasses

import numpy as np

from captioner.confidence import Features
from captioner.options import Options
from train.calibrate import CalibrateConfig
from train.data.datasets import DatasetError
from train.fitting import confidence
from train.languages.opened import EncodedSplit, open_languages
from train.limits import check
from train.scoring.calibration_error import calibration_error

SHARE = 2 / 3


def calibrate_languages(config: CalibrateConfig) -> None:
    """Caption the validation photos in every language, fit, measure and print.

    Raises:
        CheckpointError: a checkpoint cannot be used.
        DatasetError: the dataset, a split or the captions cannot be read, or are too few.
        SettingError: a setting has a value that is not allowed.
    """
    check(config)
    assert config.languages is not None
    opened = open_languages(config.checkpoint, config.data, config.languages, config.device)
    split = EncodedSplit(opened, "val")
    options = Options(beam=config.beam, length_penalty=config.length_penalty)
    changed = {}
    for code in opened.captions:
        metadata, _ = opened.speakers.speaker(code)
        captioned = split.caption(code, options)
        if len(captioned.records) < 2:
            raise DatasetError(f"one validation photo in {code!r} is too few to fit on")
        features = np.array([Features.of(best) for best, *_ in captioned.found])
        each = captioned.scorer.cider_per_photo(captioned.sentences)
        cider = np.array(list(each.values()))
        right = round(float(SHARE * cider.mean()), 1)
        fitted = confidence.fit(features, cider, right)
        held_out = confidence.cross_validated(features, cider, right)
        error = calibration_error(held_out, cider > right)
        print(
            f"{code}  right: CIDEr-D above {right:g}, {100 * np.mean(cider > right):.1f} %; "
            f"cross-validated calibration error {error:.3f}",
            flush=True,
        )
        changed[code] = dataclasses.replace(metadata, calibration=fitted)
    if config.save:
        opened.save(config.save, changed)
