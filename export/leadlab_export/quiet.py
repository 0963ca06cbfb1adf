"""Silence for third-party converters, inside one ``with`` block and nowhere else."""

import contextlib
import io
import logging
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator

_TAIL = 2000  # characters of the tools' own output that an error carries along


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Hold back warnings, log records and all that Python or native code prints.

    Should the block fail, the end of what was held back is added to the error as a note. File
    descriptor 2 is redirected for the whole process; keep blocks short.
    """
    printed = io.StringIO()
    disabled = logging.root.manager.disable
    with contextlib.ExitStack() as stack:
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")
        native = stack.enter_context(tempfile.TemporaryFile())
        stack.enter_context(_standard_error_into(native.fileno()))
        stack.enter_context(contextlib.redirect_stdout(printed))
        stack.enter_context(contextlib.redirect_stderr(printed))
        logging.disable(logging.CRITICAL)
        stack.callback(logging.disable, disabled)
        try:
            yield
        except Exception as error:
            native.seek(0)
            said = printed.getvalue() + native.read().decode(errors="replace")
            error.add_note(said[-_TAIL:])
            raise


@contextlib.contextmanager
def _standard_error_into(descriptor: int) -> Iterator[None]:
    """Point file descriptor 2, which native code writes to, at another file."""
    sys.stderr.flush()
    try:
        kept = os.dup(2)
    except OSError:  # a service may run without a standard error
        yield
        return
    os.dup2(descriptor, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
