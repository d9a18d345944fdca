"""The cache: measurements of this machine, kept as evidence under the key of what was asked."""

from __future__ import annotations

from pathlib import Path

from placer.core.errors import PlacerError
from placer.core.measurement import Measurement
from placer.files.evidence import from_statement, read_text, to_statement
from placer.files.writing import write_atomically


class Cache:
    """Measurements of this machine, one file per key; its failures are warnings, never errors.

    Parameters
    ----------
    directory
        Created when the first entry is written.
    """

    def __init__(self, directory: str) -> None:
        self._directory = Path(directory)

    def get(self, key: str) -> tuple[Measurement | None, str | None]:
        """Return (measurement or None, warning or None); a corrupt entry is a miss."""
        path = self._entry(key)
        try:
            if not path.exists():
                return None, None
            text = read_text(str(path))
            return from_statement(text, path=str(path)), None
        except (PlacerError, OSError) as error:
            return None, f"the cache was not read, measuring again: {error}"

    def put(self, key: str, measurement: Measurement) -> str | None:
        """Keep a measurement; return a warning if that was not possible."""
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            write_atomically(str(self._entry(key)), to_statement(measurement, tool="placer"))
        except (PlacerError, OSError) as error:
            return f"the measurement was not kept for the next time: {error}"
        return None

    def _entry(self, key: str) -> Path:
        return self._directory / f"{key}.json"
