"""Fit how well captions match photos in each of a checkpoint's other languages.

    python -m train match default --data data/flickr8k --languages data/languages --save FILE

The checkpoint's own language has fitted the embedding of photos; each language fits the embeddings
of its words to it, with the same loss. Calibrate again after it, because captions change.
"""

import dataclasses

from captioner import checkpoint
from captioner.checkpoint import CheckpointError
from train.data.feature_cache import compute
from train.languages import captions
from train.languages.opened import open_languages
from train.limits import check, check_folder
from train.match import MatchConfig, caption_ids, fit, pooled_views
from train.run_folder import results_folder


def match_languages(config: MatchConfig) -> None:
    """Encode the training photos, and fit every language to them.

    Raises:
        CheckpointError: a checkpoint cannot be used, or has no embedding of photos.
        DatasetError: the dataset, a split or the captions cannot be read.
        SettingError: a setting has a value that is not allowed.
    """
    check(config)
    assert config.languages is not None
    cache = config.cache or results_folder(config.checkpoint) / "cache"
    check_folder(cache, "cannot be the folder of the cache; choose another with --cache")
    opened = open_languages(config.checkpoint, config.data, config.languages, config.device)
    photo = opened.trained.matching
    if photo is None:
        raise CheckpointError(opened.path, "it has no matching; fit it first without --languages")
    trained, model = checkpoint.load(opened.path)
    records = captions.pooled(opened.dataset.split("train"), opened.captions)
    data = compute(records, None, cache / "train", "cpu", trained.preprocessing)
    views = pooled_views(trained, model, data, cache / "train", opened.network.device, config)
    changed = {}
    for code, captioned in opened.captions.items():
        metadata, _ = opened.speakers.speaker(code)
        written = {record.photo: record for record in captioned.split("train")}
        rows = [row for row, record in enumerate(data.records) if record.photo in written]
        ids = caption_ids([written[data.records[row].photo] for row in rows], metadata.vocabulary)
        fitted = fit([view[rows] for view in views], ids, metadata.vocabulary, config, photo)
        print(f"{code}  fitted to the captions of {len(rows)} photos", flush=True)
        changed[code] = dataclasses.replace(metadata, matching=fitted, calibration=None)
    if config.save:
        opened.save(config.save, changed)
