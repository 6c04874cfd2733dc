"""From a photo to a sentence: `Captioner` captions photos."""

import os
from importlib import import_module
from typing import TYPE_CHECKING

__all__ = ["BadImage", "Busy", "Caption", "Captioner", "Options", "VideoCaption"]

# ONNX Runtime reads it when it is imported; without it, some builds report their use.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

if TYPE_CHECKING:
    from captioner.captioner import Captioner
    from captioner.errors import BadImage, Busy
    from captioner.options import Options
    from captioner.result import Caption
    from captioner.video.result import VideoCaption
else:
    _HOMES = {
        "BadImage": "errors",
        "Busy": "errors",
        "Caption": "result",
        "Captioner": "captioner",
        "Options": "options",
        "VideoCaption": "video.result",
    }

    def __getattr__(name: str) -> object:
        # A process that only decodes photos imports this package too, and must stay small.
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
