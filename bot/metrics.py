"""The metrics that `/metrics` shows in Prometheus' format."""

from prometheus_client import Counter, Gauge, Histogram

from bot.platforms import Platform
from captioner.serving import Measurement

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)

PHOTOS = Counter("captioner_photos", "Answered photos by outcome", ["platform", "outcome"])
VIDEOS = Counter("captioner_videos", "Videos and animations that were described", ["platform"])
ERRORS = Counter("captioner_errors", "Errors by kind", ["platform", "kind"])
ANSWER_SECONDS = Histogram(
    "captioner_answer_seconds",
    "Seconds from a photo's bytes to its answer",
    ["platform"],
    buckets=SECONDS,
)
STAGE_SECONDS = Histogram(
    "captioner_stage_seconds",
    "Seconds for one photo's file (decode) or for one batch (encoder, decoder, naming)",
    ["stage"],
    buckets=SECONDS,
)
BATCH_PHOTOS = Histogram(
    "captioner_batch_photos", "Photos in a batch", buckets=(1, 2, 4, 8, 16, 32)
)
QUEUE_PHOTOS = Gauge("captioner_queue_photos", "Photos waiting for their batch")
INBOX_MESSAGES = Gauge("captioner_inbox_messages", "Messages in the inbox by state", ["state"])
REFUSALS = Counter("captioner_refusals", "Refused requests", ["platform", "kind"])
FEEDBACK = Counter("captioner_feedback", "What people said about captions", ["verdict"])
PLATFORM_UP = Gauge("captioner_platform_up", "1 while a platform is connected", ["platform"])


def observe(measurement: Measurement) -> None:
    """Record a measurement of the captioner."""
    STAGE_SECONDS.labels(measurement.stage).observe(measurement.seconds)
    if measurement.stage == "encoder":  # each batch passes it once
        BATCH_PHOTOS.observe(measurement.photos)


def refused(platform: Platform, kind: str) -> None:
    """Count a photo that was not captioned, and why."""
    PHOTOS.labels(platform, "refused").inc()
    ERRORS.labels(platform, kind).inc()
