"""Fit a captioner: first the decoder on frozen features, then everything end to end.

    python -m train fit data/flickr8k runs/first --epochs 10 --fine-tune 5

The same command runs on a CPU and on a GPU; on several GPUs it is
`torchrun --nproc-per-node 4 -m train fit ...`, and on several machines `torchrun --nnodes 2 ...`.
The processes share the photos of each step. After an interruption, add `--resume` to continue.
"""

import dataclasses
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
import tyro
from accelerate import Accelerator
from torch import nn
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel

from captioner.checkpoint import Metadata
from captioner.config import EncoderName, ModelConfig
from captioner.model import Model
from captioner.photo.preprocessing import Preprocessing
from captioner.vocabulary import PAD, Vocabulary
from train import run_folder
from train.captioning import half_is_fast
from train.data.augmentation import Augmentation
from train.data.contents import captions_digest
from train.data.datasets import read
from train.data.feature_cache import Data, compute
from train.data.loader import Batch, data_loader, drop_words, on_device, photo_dataset
from train.data.photos import check_readable
from train.data.words import build_vocabulary, warn
from train.fitting import batch_norm, imagenet_weights
from train.fitting.epochs import Epochs, resume, train_epochs
from train.fitting.optimization import freeze, optimizer
from train.fitting.starting import begin, load_start
from train.fitting.validation import Validator
from train.limits import SQUARE, check
from train.processes import Peers, check_alone, check_photos, join, leave, mean_of_all
from train.run_folder import Phase, Progress

PHASES: tuple[Phase, ...] = ("frozen", "fine-tune")


@dataclass(frozen=True)
class FitConfig:
    """Fit a captioner on a dataset."""

    data: Annotated[Path, tyro.conf.Positional]  # the dataset's folder
    run: Annotated[Path, tyro.conf.Positional]  # the run's folder
    encoder: EncoderName = "resnet50"  # the network that encodes photos
    encoder_weights: str = "torchvision"  # downloaded, as torchvision-v2 is; or a file
    estimate_batch_norm: int = 0  # photos to estimate batch norm's statistics from; 0 keeps them
    other_photos: Path | None = None  # a folder: as many of its photos help to estimate them
    start_from: Path | None = None  # a checkpoint; of another encoder: only its decoder is used
    cell: Literal["lstm", "gru"] = "lstm"  # of the decoder
    attention: bool = True  # without it, each word gets the mean of all regions
    attention_score: Literal["additive", "dot"] = "dot"  # Bahdanau's, or scaled dot product
    heads: int = 1  # of dot-product attention
    embedding_size: int = 512  # of a word
    hidden_size: int = 512  # of the decoder's state
    batch_norm: bool = False  # on the projected features, instead of layer norm; in one process
    tie_embeddings: bool = True  # the output layer shares its weights with the embedding
    dropout: float = 0.4  # in the decoder
    languages: Path | None = None  # a folder: fit a decoder for its captions' languages instead
    views: int = 4  # with --languages: augmented views of each photo; the epochs take turns
    language: str = Metadata.language  # of the captions: its code in ISO 639, such as de
    min_count: int = 4  # uses of a word in the training captions to be in the vocabulary
    max_length: int = 24  # words; longer captions are cut
    size: int = Preprocessing.size  # side of the square that photos are scaled to, in pixels
    epochs: int = 10  # with the encoder frozen
    fine_tune: int = 0  # more epochs after them, end to end with augmentation
    frozen_layers: int = 0  # end to end: how many of the ResNet's four stay frozen, with the stem
    photos: int = 40  # in a step, of all processes together
    captions: int = 5  # of each photo; they share one encoder pass
    learning_rate: float = 6e-4  # of the decoder, with the encoder frozen
    fine_tune_learning_rate: float = 2e-4  # of the decoder, end to end
    encoder_learning_rate: float = 5e-5  # of the encoder, end to end
    weight_decay: float = 0.01  # of AdamW, for matrices only
    label_smoothing: float = 0.1  # the probability that is spread over all words
    doubly_stochastic: float = 0.0  # weight of the penalty on regions without attention
    warmup: float = 0.05  # share of a phase's steps
    clip: float = 1.0  # largest norm of the gradient
    crop: float = 0.67  # end to end: the smallest share of a photo that augmentation keeps
    erase: float = 0.0  # end to end: the share of photos in which a rectangle is blanked
    word_dropout: float = 0.0  # share of input words that are replaced by the unknown word
    average: float = 0.998  # decay of the averaged weights
    val_beam: int = 3  # beam width of validation
    seed: int = 0  # of the first weights, the order of photos, and augmentation
    cache: Path | None = None  # for photos and frozen features; by default in the run's folder
    device: Literal["auto", "cpu"] = "auto"  # auto: a GPU if there is one
    precision: Literal["auto", "bf16", "fp32"] = "auto"  # auto: bf16 where the hardware has it
    resume: bool = False  # continue the run, which was interrupted

    def arguments(self) -> dict[str, Any]:
        """Return what defines the run, as plain values; not where it is or how it is run."""
        values = dataclasses.asdict(self)
        for name in ("data", "run", "cache", "resume", "device", "languages"):
            del values[name]
        if self.languages is None:
            del values["views"]
        for name in ("start_from", "other_photos", "encoder_weights"):
            values[name] = values[name] and Path(values[name]).name
        return values


def fit(config: FitConfig) -> Path:
    """Train a run to its last epoch, from wherever it stopped.

    Returns:
        the best checkpoint, by CIDEr of the captions generated for the validation photos.

    Raises:
        CheckpointError: the checkpoint to start from cannot be read, or has another configuration.
        DatasetError: nothing can be read from the dataset.
        EncoderWeightsError: the encoder's weights cannot be read.
        PathError: a folder cannot be used, or holds another run, or has none to resume.
        PeerError: the processes were started with other arguments or data.
        ConfigError, SettingError: a setting has a value that is not allowed.
    """
    check(config, size=SQUARE)
    batch_norm.check(config.estimate_batch_norm, config.other_photos)
    dataset = read(config.data)
    # What may be wrong with the arguments is found before the run gets a folder.
    train_records, val_records = dataset.split("train"), dataset.split("val")
    vocabulary = build_vocabulary(train_records, config.min_count)
    if config.batch_norm:  # each process would know the statistics of its own photos alone
        check_alone("--batch-norm", True)
    accelerator, peers = join(cpu=config.device == "cpu", precision=_precision(config))
    check_photos(config.photos, peers)
    peers.agree_on_arguments(config.arguments())
    peers.agree(captions_digest((*train_records, *val_records)), "captions")
    start = load_start(config.start_from, _model_config(config, vocabulary), vocabulary)
    with peers.first_of_machine():  # it downloads the encoder's weights
        model = _model(config, vocabulary, start)
    preprocessing = _preprocessing(config, start)
    for records in (val_records, train_records):
        check_readable(records, preprocessing)
    begin(
        config.run,
        config.arguments(),
        model.config,
        vocabulary,
        "the captions",
        peers,
        resume=config.resume,
    )
    cache, device = config.cache or config.run / "cache", str(accelerator.device)
    if config.estimate_batch_norm:
        photos = compute(train_records, None, cache / "train", device, preprocessing, peers)
        if peers.first:
            batch_norm.estimate_once(
                config.run,
                model.encoder,
                photos.photos,
                config.estimate_batch_norm,
                config.other_photos,
                preprocessing,
                device,
            )
        peers.share_buffers(model.encoder.resnet)
    encoder = model.encoder if config.epochs else None  # end to end needs no frozen features
    train = compute(train_records, encoder, cache / "train", device, preprocessing, peers)
    val = compute(val_records, encoder, cache / "val", device, preprocessing, peers)
    if peers.first:
        for problem in dataset.problems:
            print(f"left out: {problem}")
        warn(train_records, vocabulary, config.max_length, config.language)
        print(
            f"{dataset.name}: {len(train.records)} train and {len(val.records)} val photos, "
            f"{len(vocabulary)} words; {peers.count} x {accelerator.device.type}",
            flush=True,
        )

    model.to(accelerator.device)
    average, progress = resume(config.run, model, config.average, peers)
    validator = Validator(
        config.run,
        config.arguments(),
        vocabulary,
        val,
        preprocessing,
        config.val_beam,
        config.language,
    )
    for phase in PHASES:
        progress = _fit_phase(
            phase, config, model, average, train, validator, progress, accelerator, peers
        )
    leave(accelerator, peers)
    return config.run / run_folder.BEST


def _fit_phase(
    phase: Phase,
    config: FitConfig,
    model: Model,
    average: AveragedModel,
    train: Data,
    validator: Validator,
    progress: Progress,
    accelerator: Accelerator,
    peers: Peers,
) -> Progress:
    first, last = _epochs(phase, config)
    if progress.epoch >= last:
        return progress
    if progress.epoch == first - 1 and progress.epoch:
        model.load_state_dict(average.module.state_dict())
    end_to_end = phase == "fine-tune"
    freeze(model, end_to_end, config.frozen_layers)
    device = str(accelerator.device)
    dataset = photo_dataset(
        on_device(train.photos if end_to_end else train.grids, device),
        train.records,
        validator.vocabulary,
        config.max_length,
        augmentation=Augmentation(config.crop, config.erase) if end_to_end else None,
    )
    wrapped = accelerator.prepare(model)
    share = (peers.number, peers.count)

    def batches(epoch: int) -> Iterable[Batch]:
        seed = config.seed + epoch
        return data_loader(
            dataset, config.photos, config.captions, seed=seed, device=device, share=share
        )

    def loss(batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        minimized = _loss(wrapped, batch, validator.preprocessing, config)
        return minimized, minimized.detach()

    epochs = Epochs(
        phase,
        first,
        last,
        steps=math.ceil(len(dataset) / config.photos),
        warmup=config.warmup,
        clip=config.clip,
        seed=config.seed,
        end_to_end=end_to_end,
    )
    rate = config.fine_tune_learning_rate if end_to_end else config.learning_rate
    encoder_rate = config.encoder_learning_rate if end_to_end else 0.0
    adamw = optimizer(model, rate, encoder_rate, config.weight_decay)
    return train_epochs(
        epochs, model, average, adamw, batches, loss, validator, progress, accelerator, peers
    )


def _precision(config: FitConfig) -> Literal["bf16", "no"]:
    device = "cuda" if torch.cuda.is_available() and config.device == "auto" else "cpu"
    half = config.precision == "bf16" or (config.precision == "auto" and half_is_fast(device))
    return "bf16" if half else "no"


def _model(
    config: FitConfig, vocabulary: Vocabulary, start: tuple[Metadata, Model] | None
) -> Model:
    torch.manual_seed(config.seed)
    model = Model(_model_config(config, vocabulary))
    if start and start[0].config.encoder == config.encoder:
        model.load_state_dict(start[1].state_dict())
        return model.eval()
    imagenet_weights.load_weights(model.encoder, config.encoder, config.encoder_weights)
    if start:
        model.encoder.norm.load_state_dict(start[1].encoder.norm.state_dict())
        model.decoder.load_state_dict(start[1].decoder.state_dict())
    return model.eval()


def _model_config(config: FitConfig, vocabulary: Vocabulary) -> ModelConfig:
    shared = {field.name for field in dataclasses.fields(ModelConfig)} - {"vocabulary_size"}
    return ModelConfig(len(vocabulary), **{name: getattr(config, name) for name in shared})


def _preprocessing(config: FitConfig, start: tuple[Metadata, Model] | None) -> Preprocessing:
    """Return the normalization that the encoder was trained with."""
    if start and start[0].config.encoder == config.encoder:
        return dataclasses.replace(start[0].preprocessing, size=config.size)
    return Preprocessing(config.size)


def _epochs(phase: Phase, config: FitConfig) -> tuple[int, int]:
    if phase == "frozen":
        return 1, config.epochs
    return config.epochs + 1, config.epochs + config.fine_tune


def _loss(
    model: nn.Module, batch: Batch, preprocessing: Preprocessing, config: FitConfig
) -> torch.Tensor:
    images, tokens, draws = batch
    if images.dim() == 4:
        images = preprocessing.normalize(images)
    chance = draws.uniform(tokens.unflatten(0, (len(images), -1)).shape).flatten(0, 1)
    logits, weights = model(images.float(), drop_words(tokens, config.word_dropout, chance))
    following = tokens[:, 1:]
    targets = following[following != PAD]
    total = functional.cross_entropy(
        logits, targets, label_smoothing=config.label_smoothing, reduction="sum"
    )
    loss = mean_of_all(total, len(targets))
    if weights is not None and config.doubly_stochastic:
        # Show, Attend and Tell, equation 14: a region's attention sums to 1 over a caption.
        present = following != PAD
        attended = (weights * present[..., None]).sum(1)[present.any(1)]
        total = (1 - attended).square().sum()
        loss = loss + config.doubly_stochastic * mean_of_all(total, attended.numel())
    return loss
