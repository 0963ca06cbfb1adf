"""`cohort.toml`: what a cohort is, where it came from, and the hash of every file beside it."""

import hashlib
import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from leadlab_train.errors import CohortError

FILE_NAME = "cohort.toml"
FORMAT = 1

Setting = str | int | float | bool | Sequence[float]


@dataclass(frozen=True, slots=True)
class FileEntry:
    """Size and SHA-256 of one file of the cohort."""

    n_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """The content of `cohort.toml`.

    Attributes
    ----------
    simulated
        Whether everything here was drawn from a model.
    lead, rate_hz, window_s
        What all strips hold, and how long a window is.
    software
        Name and version of the program that wrote the cohort.
    provenance
        How the cohort was made: settings of a simulation, or source and version of the data.
    files
        Every other file, by name.
    """

    simulated: bool
    lead: str
    rate_hz: float
    window_s: float
    software: str
    provenance: Mapping[str, Setting]
    files: Mapping[str, FileEntry]

    @property
    def content_sha256(self) -> str:
        """Hash over all the rest: equal hashes are equal cohorts."""
        return hashlib.sha256(self._body().encode()).hexdigest()

    def write(self, folder: Path) -> None:
        """Write `cohort.toml` into ``folder``."""
        text = f'{self._body()}\n[content]\nsha256 = "{self.content_sha256}"\n'
        (folder / FILE_NAME).write_text(text, encoding="utf-8", newline="\n")

    def _body(self) -> str:
        head: dict[str, Setting] = {
            "format": FORMAT,
            "simulated": self.simulated,
            "lead": self.lead,
            "rate_hz": self.rate_hz,
            "window_s": self.window_s,
            "software": self.software,
        }
        lines = [*_assignments(head), "", "[provenance]", *_assignments(self.provenance)]
        for name, entry in sorted(self.files.items()):
            lines += ["", f"[files.{json.dumps(name)}]", f"bytes = {entry.n_bytes}"]
            lines += [f'sha256 = "{entry.sha256}"']
        return "\n".join(lines) + "\n"


def read_manifest(folder: Path) -> Manifest:
    """Read `cohort.toml` of ``folder``.

    Raises
    ------
    CohortError
        If it is missing, of another format, incomplete or altered.
    """
    path = folder / FILE_NAME
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise CohortError(f"{folder} is no cohort: it has no {FILE_NAME}") from error
    except (OSError, ValueError) as error:
        raise CohortError(f"{path} cannot be read: {error}; write the cohort anew") from error
    if table.get("format") != FORMAT:
        raise CohortError(f"{path} has format {table.get('format')}; this version reads {FORMAT}")
    manifest, stored = _parse(table, path)
    if manifest.content_sha256 != stored:
        raise CohortError(f"{path} was altered: its content hash does not match; write it anew")
    return manifest


def hash_file(path: Path) -> FileEntry:
    """Measure one file.

    Raises
    ------
    CohortError
        If it cannot be read.
    """
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        return FileEntry(path.stat().st_size, digest)
    except OSError as error:
        raise CohortError(f"{path} cannot be read: {error}; restore it or write it anew") from error


def _parse(table: dict[str, Any], path: Path) -> tuple[Manifest, str]:
    try:
        manifest = Manifest(
            simulated=bool(table["simulated"]),
            lead=str(table["lead"]),
            rate_hz=float(table["rate_hz"]),
            window_s=float(table["window_s"]),
            software=str(table["software"]),
            provenance=dict(table["provenance"]),
            files={
                name: FileEntry(int(entry["bytes"]), str(entry["sha256"]))
                for name, entry in table.get("files", {}).items()
            },
        )
        return manifest, str(table["content"]["sha256"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CohortError(f"{path} is incomplete: {error!r}; write the cohort anew") from error


def _assignments(table: Mapping[str, Setting]) -> list[str]:
    return [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in table.items()]
