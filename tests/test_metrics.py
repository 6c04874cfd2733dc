"""What the captioner measures is what `/metrics` shows."""

from prometheus_client import REGISTRY

from bot import metrics


def value(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0


def test_seconds_are_told_by_stage() -> None:
    before = value("captioner_stage_seconds_sum", stage="encoder")
    metrics.observe("encoder_seconds", 0.25)
    assert value("captioner_stage_seconds_sum", stage="encoder") == before + 0.25


def test_batches_are_told_by_their_size() -> None:
    small = value("captioner_batch_photos_bucket", le="4.0")
    large = value("captioner_batch_photos_bucket", le="8.0")
    metrics.observe("batch_photos", 5)
    assert value("captioner_batch_photos_bucket", le="4.0") == small
    assert value("captioner_batch_photos_bucket", le="8.0") == large + 1
