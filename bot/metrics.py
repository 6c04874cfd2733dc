"""What the operator can measure, in Prometheus' format at `/metrics`."""

from prometheus_client import Counter, Gauge, Histogram

from bot.platforms import Platform

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)

PHOTOS = Counter("captioner_photos", "Photos that were answered", ["platform", "outcome"])
ERRORS = Counter("captioner_errors", "What went wrong", ["platform", "kind"])
ANSWER_SECONDS = Histogram(
    "captioner_answer_seconds", "From a photo's bytes to its answer", ["platform"], buckets=SECONDS
)
STAGE_SECONDS = Histogram(
    "captioner_stage_seconds",
    "One photo's file (decode), or one batch (encoder, decoder)",
    ["stage"],
    buckets=SECONDS,
)
BATCH_PHOTOS = Histogram(
    "captioner_batch_photos", "Photos in a batch", buckets=(1, 2, 4, 8, 16, 32)
)
QUEUE_PHOTOS = Gauge("captioner_queue_photos", "Photos that wait for their batch")
INBOX_MESSAGES = Gauge("captioner_inbox_messages", "Messages by what became of them", ["state"])
REFUSALS = Counter("captioner_refusals", "Visitors who were not let in", ["platform", "kind"])
PLATFORM_UP = Gauge("captioner_platform_up", "1 while a platform is connected", ["platform"])


def observe(name: str, value: float) -> None:
    """Take what the captioner measures; see `Captioner`."""
    if name == "batch_photos":
        BATCH_PHOTOS.observe(value)
    else:
        STAGE_SECONDS.labels(name.removesuffix("_seconds")).observe(value)


def refused(platform: Platform, kind: str) -> None:
    """Count a photo that was not captioned, and why."""
    PHOTOS.labels(platform, "refused").inc()
    ERRORS.labels(platform, kind).inc()
