"""Files that appear whole or not at all, whatever happens to the program or the power."""

import os
import tempfile
from pathlib import Path


def replace_files(*files: tuple[Path, bytes]) -> None:
    """Write files of one folder, replacing what stands there.

    Of several, the first counts: the others are removed before it is replaced and appear after it,
    so that none ever stands beside a first that it does not describe.

    Raises
    ------
    OSError
        The disk refuses; then all files are as they were.
    """
    folder = files[0][0].parent
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".writing-", dir=folder) as temporary:
        written = []
        for number, (_, data) in enumerate(files):
            path = Path(temporary, str(number))
            with path.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            written.append(path)
        for path, _ in files[1:]:
            path.unlink(missing_ok=True)
        for source, (path, _) in zip(written, files, strict=True):
            source.replace(path)
    if os.name == "posix":  # the new names must survive a power cut too
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
