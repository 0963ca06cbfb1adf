"""What to say when the disk refuses."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from leadlab_train.errors import TrainingError


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Name the file and the remedy if what happens inside cannot be written.

    Raises
    ------
    TrainingError
        The disk refused.
    """
    try:
        yield
    except OSError as error:
        raise TrainingError(
            f"{path} cannot be written: {error}. Remedy: make room and start again with the same "
            "command; the run goes on from its last checkpoint"
        ) from error
