r"""Train the decoders for other languages further on the reward of their own captions.

    python -m train self-critical data/flickr8k runs/rewarded --languages data/languages \
        --start-from captioner/weights/default.safetensors

The decoders are those in the checkpoint's folder. A language with one caption a photo gets no
reward, which one reference makes too noisy, nor does one that `--rewarded` leaves out. It goes on
with its references, and so keeps up with what the others do to the recurrence that they share.
"""

from collections.abc import Sequence
from pathlib import Path

import torch

from captioner.checkpoint import CheckpointError
from captioner.languages.decoders import Decoders
from captioner.shipped import find
from captioner.speakers import FILE, languages_of
from captioner.vocabulary import Vocabulary
from train.captioning import half_is_fast
from train.data.datasets import Record
from train.errors import SettingError
from train.fitting.cider_d import CiderD, ended
from train.fitting.losses import forced_loss, reward_loss
from train.languages.captions import codes
from train.languages.epochs import train_epochs
from train.languages.task import Batch, prepare
from train.limits import check
from train.processes import check_alone
from train.self_critical import SelfCriticalConfig


def self_critical_languages(config: SelfCriticalConfig) -> Path:
    """Train a run to its last epoch, from wherever it stopped.

    Returns:
        the file with the best decoders, by the mean of the languages' CIDEr on validation photos.

    Raises:
        CheckpointError: the checkpoint or its languages cannot be read.
        DatasetError: nothing can be read from the dataset, or from the captions.
        RunError: the run's folder holds another run, or there is nothing to resume.
        SettingError: a setting has a value that is not allowed.
    """
    check(config)
    check_alone("--languages", config.languages)
    assert config.languages is not None
    path = find(config.start_from)
    file = languages_of(path)
    if file is None:
        raise CheckpointError(path, f"there is no {FILE} of this checkpoint in its folder")
    if unknown := set(config.rewarded) - set(file.codes):
        allowed = f"some of {', '.join(file.codes)}"
        raise SettingError("--rewarded", " ".join(sorted(unknown)), allowed)
    if codes(config.languages) != sorted(file.codes):
        allowed = f"a folder with captions in {', '.join(sorted(file.codes))}, and no others"
        raise SettingError("--languages", config.languages, allowed)
    task = prepare(config, lambda code, records: file.vocabulary(code))
    decoders = Decoders.load(file, task.model)
    decoders.set_dropout(config.dropout)
    rewards = {
        language.code: _reward(found.split("train"), language.vocabulary, task.device)
        for language, found in zip(task.languages, task.captions, strict=True)
        if not config.rewarded or language.code in config.rewarded
    }

    def loss(batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        language = batch.language
        with torch.no_grad():
            memory = task.model.encode_grid(batch.images.float())
        device = batch.images.device.type
        with torch.autocast(device, torch.bfloat16, enabled=half_is_fast(device)):
            speaker = decoders.model(language.code, task.model.encoder)
            started = memory.started(decoders.start(language.code))
            forced = forced_loss(speaker, started, batch.tokens, config.label_smoothing)
            reward = rewards.get(language.code)
            if reward is None:
                return forced, forced.detach() * 0
            minimized, mean = reward_loss(
                speaker,
                started,
                batch.tokens,
                reward,
                samples=config.samples,
                max_length=config.max_length,
                penalty=config.repetition_penalty,
                small_words=language.small_words,
            )
            return minimized + config.teacher_forcing * forced, -mean

    return train_epochs(task, decoders, loss, "self-critical")


def _reward(records: Sequence[Record], vocabulary: Vocabulary, device: str) -> CiderD | None:
    if max(len(record.captions) for record in records) < 2:
        return None
    written = [[ended(text, vocabulary) for text in record.captions] for record in records]
    return CiderD(written, device)
