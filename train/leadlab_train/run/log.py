"""What a run reports as it goes: ``metrics.jsonl``, and the same as TensorBoard events."""

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from torch.utils.tensorboard import SummaryWriter

from leadlab_train.files import replace_files
from leadlab_train.run.disk import writing

Record = dict[str, Any]
TAGS: Final = {
    "loss": "train/loss",
    "gradient": "train/gradient_norm",
    "learning_rate": "train/learning_rate",
    "windows_per_s": "train/windows_per_s",
    "val_auroc": "val/macro_auroc",
}


class MetricsLog:
    """Append records, each with its ``step``; on entering, drop those beyond ``step``.

    A run that was killed wrote records after its last checkpoint; it will write them again.
    """

    def __init__(self, folder: Path, step: int) -> None:
        self._path, self._step = folder / "metrics.jsonl", step
        kept = [record for record in read_metrics(folder) if record["step"] <= step]
        lines = "".join(json.dumps(record) + "\n" for record in kept)
        with writing(self._path):
            replace_files((self._path, lines.encode()))
            self._file = self._path.open("a", encoding="utf-8")
            # Events of an earlier start beyond this step are hidden, not removed.
            self._events = SummaryWriter(str(folder), purge_step=step + 1)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # Closing writes what is left; an error that is on its way tells more than a second one.
        for close in (self._file.close, self._events.close):
            with suppress(OSError) if error else writing(self._path):
                close()

    def write(self, record: Record) -> None:
        """Append one record.

        Raises
        ------
        TrainingError
            The disk refuses.
        """
        with writing(self._path):
            self._file.write(json.dumps(record) + "\n")
            self._file.flush()
            for name, tag in TAGS.items():
                if name in record:
                    self._events.add_scalar(tag, record[name], record["step"])


def read_metrics(folder: Path) -> list[Record]:
    """Read the records of a run, oldest first; a line cut short by a crash is left out."""
    return list(_records(folder / "metrics.jsonl"))


def _records(path: Path) -> Iterator[Record]:
    if not path.exists():
        return
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            yield json.loads(line)
        except ValueError:
            return
