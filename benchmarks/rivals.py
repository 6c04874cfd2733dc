"""Other captioners, built by `transformers` with random weights.

Nothing is downloaded: the sizes are those of the published checkpoints. With the number of words
fixed, the cost of a network does not depend on its weights.
"""

from typing import Any, NamedTuple

import torch
from PIL import Image

# Before transformers: it makes torchvision importable with any build of PyTorch.
import captioner.vision  # noqa: F401 # isort: skip
import transformers

transformers.logging.set_verbosity_error()


class Rival(NamedTuple):
    """A captioner of `transformers` with its preprocessing."""

    model: Any
    processor: Any

    def prepare(self, photo: Image.Image) -> torch.Tensor:
        """Return the pixels that the model takes: `(1, 3, side, side)`."""
        return self.processor(images=photo.convert("RGB"), return_tensors="pt").pixel_values

    def generate(self, pixels: torch.Tensor, beam: int, words: int) -> torch.Tensor:
        """Return the start token and exactly `words` new ones: `(1, 1 + words)`."""
        tokens = self.model.generate(
            pixel_values=pixels,
            num_beams=beam,
            do_sample=False,
            min_new_tokens=words,
            max_new_tokens=words,
        )
        assert tokens.shape == (1, 1 + words)
        return tokens


def _blip() -> Rival:
    # Salesforce/blip-image-captioning-base
    config = transformers.BlipConfig(
        text_config={
            "vocab_size": 30524,
            "hidden_size": 768,
            "encoder_hidden_size": 768,
            "intermediate_size": 3072,
            "num_hidden_layers": 12,
            "num_attention_heads": 12,
        },
        vision_config={
            "hidden_size": 768,
            "intermediate_size": 3072,
            "num_hidden_layers": 12,
            "num_attention_heads": 12,
            "image_size": 384,
            "patch_size": 16,
        },
    )
    processor = transformers.BlipImageProcessor(size={"height": 384, "width": 384})
    return Rival(transformers.BlipForConditionalGeneration(config), processor)


def _git() -> Rival:
    # microsoft/git-base
    config = transformers.GitConfig(
        vocab_size=30522,
        hidden_size=768,
        intermediate_size=3072,
        num_hidden_layers=6,
        num_attention_heads=12,
        max_position_embeddings=1024,
        vision_config={
            "hidden_size": 768,
            "intermediate_size": 3072,
            "num_hidden_layers": 12,
            "num_attention_heads": 12,
            "image_size": 224,
            "patch_size": 16,
        },
    )
    processor = transformers.CLIPImageProcessor(
        size={"shortest_edge": 224}, crop_size={"height": 224, "width": 224}
    )
    return Rival(transformers.GitForCausalLM(config), processor)


def _vit_gpt2() -> Rival:
    # nlpconnect/vit-gpt2-image-captioning
    encoder = transformers.ViTConfig(
        hidden_size=768,
        intermediate_size=3072,
        num_hidden_layers=12,
        num_attention_heads=12,
        image_size=224,
        patch_size=16,
    )
    decoder = transformers.GPT2Config(
        vocab_size=50257, n_positions=1024, n_embd=768, n_layer=12, n_head=12
    )
    config = transformers.VisionEncoderDecoderConfig.from_encoder_decoder_configs(encoder, decoder)
    config.decoder_start_token_id = config.eos_token_id = config.pad_token_id = 50256
    processor = transformers.ViTImageProcessor(size={"height": 224, "width": 224})
    return Rival(transformers.VisionEncoderDecoderModel(config), processor)


MAKERS = {"BLIP-base": _blip, "GIT-base": _git, "ViT-GPT2": _vit_gpt2}


def build(name: str) -> Rival:
    """Build a captioner by its name, in evaluation mode."""
    torch.manual_seed(0)
    rival = MAKERS[name]()
    rival.model.eval()
    return rival
