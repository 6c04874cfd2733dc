"""The captioner's measurements reach `/metrics`."""

import sys

import pytest
from prometheus_client import REGISTRY

from bot import metrics
from captioner.serving import Measurement, Stage


def value(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0


def test_seconds_are_measured_by_stage() -> None:
    before = value("captioner_stage_seconds_sum", stage="encoder")
    metrics.observe(Measurement("encoder", 0.25, photos=1))
    assert value("captioner_stage_seconds_sum", stage="encoder") == before + 0.25


def test_batches_are_measured_by_size() -> None:
    stages: tuple[tuple[Stage, int], ...] = (("decode", 1), ("encoder", 5), ("decoder", 5))
    small = value("captioner_batch_photos_bucket", le="4.0")
    large = value("captioner_batch_photos_bucket", le="8.0")
    for stage, photos in stages:
        metrics.observe(Measurement(stage, 0.25, photos))
    assert value("captioner_batch_photos_bucket", le="4.0") == small
    assert value("captioner_batch_photos_bucket", le="8.0") == large + 1


def test_a_refused_photo_counts_among_the_photos_and_as_an_error_of_its_kind() -> None:
    photos = value("captioner_photos_total", platform="web", outcome="refused")
    errors = value("captioner_errors_total", platform="web", kind="odd")
    metrics.refused("web", "odd")
    assert value("captioner_photos_total", platform="web", outcome="refused") == photos + 1
    assert value("captioner_errors_total", platform="web", kind="odd") == errors + 1


@pytest.mark.skipif(sys.platform != "linux", reason="is read from /proc")
def test_the_memory_of_the_process_is_measured() -> None:
    assert value("process_resident_memory_bytes") > 2**20
