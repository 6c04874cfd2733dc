"""A tiny checkpoint that speaks two languages besides English, in files."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from captioner import checkpoint
from captioner.checkpoint import digest
from captioner.confidence import Calibration
from captioner.languages import file
from captioner.languages.decoders import Decoders, Words
from captioner.languages.orthography import written
from captioner.matching import Matching
from captioner.photo.preprocessing import Preprocessing
from captioner.vocabulary import Vocabulary
from tests.conftest import Trained, tiny_matching, tiny_model, trained

CAPTIONS = {
    "de": ("ein Junge, der im Gras spielt", "die junge Frau am See", "Hunde im Wald"),
    "zh": ("两个男孩在草地上玩耍", "一只黑狗在水里"),
}
CALIBRATION = Calibration(30.0, 0.5, 1.0, -0.1)


def speaking(folder: Path, **fields: Any) -> Trained:
    """Write `default.safetensors` and `languages.safetensors`; return the checkpoint."""
    built = trained(
        tiny_model(**{"attention_score": "dot", "tie_embeddings": True, **fields}),
        preprocessing=Preprocessing(size=64),
        matching=tiny_matching(),
    )
    path = folder / "default.safetensors"
    checkpoint.save(path, *built)
    metadata, model = checkpoint.load(path)
    vocabularies = {
        code: Vocabulary.build(captions, orthography=written(code))
        for code, captions in CAPTIONS.items()
    }
    torch.manual_seed(3)
    sizes = {code: len(vocabulary) for code, vocabulary in vocabularies.items()}
    decoders = Decoders(model.decoder, model.config, sizes)
    languages = {}
    with torch.no_grad():
        for parameter in decoders.parameters():
            if parameter.requires_grad:
                parameter.copy_((parameter + 0.02 * torch.randn_like(parameter)).half())
        for code, vocabulary in vocabularies.items():
            words = decoders.words[code]
            assert isinstance(words, Words)
            words.embedding.weight.mul_(6)
            words.start.normal_()
            own = replace(
                metadata,
                config=decoders.config_of(len(vocabulary)),
                vocabulary=vocabulary,
                matching=replaced(metadata.matching, len(vocabulary)),
                calibration=CALIBRATION,
                scores={"cider": 12.5},
                language=code,
            )
            languages[code] = file.Language(own, decoders.saved(code))
    made_from = digest(path)
    file.save(folder / "languages.safetensors", made_from, decoders.arrays(), languages)
    return Trained(metadata, model)


def replaced(matching: Matching | None, words: int) -> Matching:
    """Return the same embedding of photos, and words by chance."""
    assert matching is not None
    return replace(matching, words=tiny_matching(words).words)
