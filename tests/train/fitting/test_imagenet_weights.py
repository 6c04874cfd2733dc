"""The encoder's weights: from a file at hand, or from torchvision's address."""

import hashlib
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from captioner.config import EncoderName, ModelConfig
from captioner.model import Encoder
from captioner.vision import models
from tests.train.tiny_dataset import write_encoder_weights
from train.fitting.imagenet_weights import EncoderWeightsError, load_weights, sources


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_encoder_weights(tmp_path_factory.mktemp("weights") / "resnet18.safetensors")


def build(name: EncoderName = "resnet18") -> Encoder:
    return Encoder(ModelConfig(vocabulary_size=5, encoder=name, hidden_size=8))


def assert_took(encoder: Encoder, weights: Path) -> None:
    given = {name: value for name, value in load_file(weights).items() if name[:3] != "fc."}
    taken = encoder.resnet.state_dict()
    assert taken.keys() == given.keys()
    assert all(torch.equal(taken[name], value) for name, value in given.items())


def test_a_file_at_hand_gives_every_layer_its_weights(weights: Path) -> None:
    encoder = build()
    load_weights(encoder, "resnet18", str(weights))

    assert_took(encoder, weights)


def test_a_file_without_the_classifier_will_do(weights: Path, tmp_path: Path) -> None:
    backbone = {name: value for name, value in load_file(weights).items() if name[:3] != "fc."}
    save_file(backbone, tmp_path / "backbone.safetensors")
    encoder = build()
    load_weights(encoder, "resnet18", str(tmp_path / "backbone.safetensors"))

    assert_took(encoder, weights)


def test_weights_of_several_encoders_are_found_in_a_folder_or_named(
    weights: Path, tmp_path: Path
) -> None:
    deep = tmp_path / "resnet152-a=b.safetensors"
    deep.write_bytes(b"")

    assert sources([str(weights.parent)]) == {"resnet18": str(weights)}
    downloads = ["resnet34=torchvision", "resnet50=torchvision-v2"]
    assert sources([str(weights.parent), f"resnet152={deep}", *downloads]) == {
        "resnet18": str(weights),
        "resnet152": str(deep),
        "resnet34": "torchvision",
        "resnet50": "torchvision-v2",
    }
    assert set(sources([]).values()) == {"torchvision"}
    assert len(sources([])) == 5


def test_weights_that_cannot_be_found_are_named(tmp_path: Path) -> None:
    with pytest.raises(EncoderWeightsError, match=r"holds no file named like resnet50\*"):
        sources([str(tmp_path)])
    for name in ("resnet50-v1.safetensors", "resnet50-v2.safetensors"):
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(EncoderWeightsError, match=r"-v1\.safetensors and resnet50-v2\."):
        sources([str(tmp_path)])
    with pytest.raises(EncoderWeightsError, match=r"none\.safetensors: there is no such file"):
        sources([f"resnet50={tmp_path / 'none.safetensors'}"])
    for wrong in ("resnet50", "vgg=resnet50-v1.safetensors"):
        with pytest.raises(EncoderWeightsError, match="neither a folder nor NAME=FILE"):
            sources([wrong])


def test_the_weights_of_another_resnet_are_refused(weights: Path) -> None:
    with pytest.raises(EncoderWeightsError, match=r"resnet18\.safetensors: .* of a resnet34"):
        load_weights(build("resnet34"), "resnet34", str(weights))


def test_weights_of_something_else_are_refused(tmp_path: Path) -> None:
    save_file({"weight": torch.zeros(3)}, tmp_path / "other.safetensors")

    with pytest.raises(EncoderWeightsError, match=r"other\.safetensors: .* of a resnet18"):
        load_weights(build(), "resnet18", str(tmp_path / "other.safetensors"))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(EncoderWeightsError, match=r"none\.safetensors: there is no such file"):
        load_weights(build(), "resnet18", str(tmp_path / "none.safetensors"))


@pytest.mark.parametrize("kept", [0, 5, 1000, 1_000_000])
def test_a_damaged_file_is_named(weights: Path, tmp_path: Path, kept: int) -> None:
    path = tmp_path / "cut.safetensors"
    path.write_bytes(weights.read_bytes()[:kept])

    with pytest.raises(EncoderWeightsError, match=r"cut\.safetensors: not a safetensors file"):
        load_weights(build(), "resnet18", str(path))


def test_a_folder_instead_of_a_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EncoderWeightsError, match="not a safetensors file"):
        load_weights(build(), "resnet18", str(tmp_path))


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Serve the files in `tmp_path / "served"`, as torchvision's address does."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    (tmp_path / "served").mkdir()
    handler = partial(Quiet, directory=str(tmp_path / "served"))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def move(
    monkeypatch: pytest.MonkeyPatch,
    address: str,
    weights: models.WeightsEnum = models.ResNet18_Weights.IMAGENET1K_V1,
) -> None:
    monkeypatch.setattr(weights.value, "url", address)


def serve(weights: Path, folder: Path, checksum: str | None = None) -> str:
    """Put weights where they are served from, named by their checksum."""
    part = folder / "part"
    torch.save(load_file(weights), part)
    checksum = checksum or hashlib.sha256(part.read_bytes()).hexdigest()[:8]
    return part.rename(folder / f"resnet18-{checksum}.pth").name


def test_torchvision_s_weights_are_downloaded_once(
    weights: Path, tmp_path: Path, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = serve(weights, tmp_path / "served")
    move(monkeypatch, f"{address}/{name}")
    encoder = build()
    load_weights(encoder, "resnet18", "torchvision")
    assert_took(encoder, weights)

    (tmp_path / "served" / name).unlink()
    again = build()
    load_weights(again, "resnet18", "torchvision")
    assert_took(again, weights)


def test_torchvision_s_second_weights_are_downloaded_too(
    tmp_path: Path, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = write_encoder_weights(tmp_path / "resnet50.safetensors", "resnet50")
    name = serve(weights, tmp_path / "served")
    move(monkeypatch, f"{address}/{name}", models.ResNet50_Weights.IMAGENET1K_V2)
    encoder = build("resnet50")
    load_weights(encoder, "resnet50", "torchvision-v2")

    assert_took(encoder, weights)


@pytest.mark.parametrize("name", ["resnet18", "resnet34"])
def test_the_smallest_resnets_have_no_second_weights(name: EncoderName) -> None:
    with pytest.raises(EncoderWeightsError, match=f"no weights of a {name}; choose torchvision"):
        load_weights(build(name), name, "torchvision-v2")


def test_a_download_with_another_checksum_is_refused(
    weights: Path, tmp_path: Path, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = serve(weights, tmp_path / "served", checksum="0badf00d")
    move(monkeypatch, f"{address}/{name}")

    with pytest.raises(EncoderWeightsError, match=r"the download failed \(invalid hash value"):
        load_weights(build(), "resnet18", "torchvision")
    assert not list((tmp_path / "home").rglob("*.pth"))


def test_an_address_without_the_weights_is_an_error_with_an_alternative(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    move(monkeypatch, f"{address}/resnet18-00000000.pth")

    with pytest.raises(EncoderWeightsError, match=r"404.*give a file with --encoder-w"):
        load_weights(build(), "resnet18", "torchvision")


def test_an_unreachable_address_is_an_error_with_an_alternative(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    move(monkeypatch, "http://127.0.0.1:9/resnet18-00000000.pth")

    with pytest.raises(EncoderWeightsError, match=r"127\.0\.0\.1:9/.*give a file"):
        load_weights(build(), "resnet18", "torchvision")


def test_the_download_is_the_one_of_the_encoder_s_name() -> None:
    for name in ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152"):
        published = models.get_model_weights(name)
        assert len(published) == (1 if name in ("resnet18", "resnet34") else 2)
        assert all(f"/{name}-" in weights.url for weights in published)
