"""The languages of a checkpoint; each is read when it is first asked for."""

import asyncio
import logging
import threading
from pathlib import Path
from typing import Any, NamedTuple

from captioner.checkpoint import CheckpointError, Metadata, digest
from captioner.languages.file import LanguagesFile
from captioner.options import OptionError
from captioner.runtime.protocols import Network, Runnable

FILE = "languages.safetensors"  # in the folder of the checkpoint that it belongs to

log = logging.getLogger(__name__)


class Speaker(NamedTuple):
    """What generates captions in one language."""

    metadata: Metadata
    network: Network[Any]


class Speakers:
    """The language of a checkpoint, and the others that its encoder has decoders for."""

    def __init__(
        self, metadata: Metadata, network: Runnable[Any], file: LanguagesFile | None
    ) -> None:
        """Know the languages.

        Args:
            metadata: of the checkpoint.
            network: of the checkpoint.
            file: of its other languages; None if there are none.
        """
        self._metadata, self._network, self._file = metadata, network, file
        self._speakers = {metadata.language: Speaker(metadata, network)}
        self._lock = threading.Lock()
        self.codes = (metadata.language, *(file.codes if file else ()))

    def check(self, code: str | None) -> None:
        """Check whether captions can be in a language; None means the checkpoint's own.

        Raises:
            OptionError: they cannot.
        """
        if code is not None and code not in self.codes:
            raise OptionError("language", f"is {code!r}; it must be one of {', '.join(self.codes)}")

    async def prepare(self, code: str | None) -> None:
        """Read a language that is asked for the first time, before any batch waits for it.

        Raises:
            CheckpointError: the files of the languages cannot be used.
            OptionError: captions cannot be in this language.
        """
        self.check(code)
        if code is not None and code not in self._speakers:
            await asyncio.to_thread(self.speaker, code)

    def speaker(self, code: str | None) -> Speaker:
        """Return what generates captions in a language, or in the checkpoint's own.

        Raises:
            CheckpointError: the files of the languages cannot be used.
        """
        found = self._speakers.get(code or self._metadata.language)
        return found or self._read(code)

    def _read(self, code: str | None) -> Speaker:
        assert self._file is not None
        assert code is not None
        with self._lock:
            if code not in self._speakers:
                metadata = self._file.metadata(code, self._metadata)
                network = self._network.in_language(self._file.path, code)
                self._speakers[code] = Speaker(metadata, network)
                log.info("captions in %s are ready", code)
            return self._speakers[code]


def languages_of(checkpoint: Path) -> LanguagesFile | None:
    """Return the file of a checkpoint's other languages.

    Returns:
        None if its folder has no such file, one of another checkpoint, or one that is damaged.
    """
    path = checkpoint.with_name(FILE)
    if not path.exists():
        return None
    try:
        file = LanguagesFile(path)
    except CheckpointError as error:
        log.warning("%s; captions are in one language only", error)
        return None
    return file if file.checkpoint == digest(checkpoint) else None
