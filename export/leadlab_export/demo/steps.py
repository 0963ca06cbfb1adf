"""What the demo prints: a bar while a step runs, one line when it is done."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn


class Step:
    """A running step: report progress while it runs, and what it came to at its end."""

    def __init__(self, progress: Progress, task: TaskID) -> None:
        self.outcome = ""
        self._progress = progress
        self._task = task

    def advance(self, done: int, total: int, detail: object = "") -> None:
        """Move the bar to ``done`` of ``total``; fits every progress callback of leadlab."""
        note = f"loss {detail:.3f}" if isinstance(detail, float) else str(detail)
        self._progress.update(self._task, completed=done, total=total, note=note)

    def stage(self, name: str) -> None:
        """Name what is being done where no count can be given."""
        self._progress.update(self._task, note=name)


class Steps:
    """The steps of a long job, in order.

    Parameters
    ----------
    console
        Where to print.
    count
        How many steps there will be.

    Attributes
    ----------
    seconds
        Wall time of each finished step by its title.
    """

    def __init__(self, console: Console, count: int) -> None:
        self.seconds: dict[str, float] = {}
        self._console = console
        self._count = count

    @contextmanager
    def step(self, title: str) -> Iterator[Step]:
        """Run one step under a bar; print its outcome and how long it took."""
        number = f"{len(self.seconds) + 1}/{self._count}"
        start = time.perf_counter()
        with Progress(
            TextColumn("{task.description}"),
            BarColumn(24),
            TimeRemainingColumn(),
            TextColumn("[dim]{task.fields[note]}"),
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
        ) as progress:
            step = Step(progress, progress.add_task(f"{number} {title}", total=None, note=""))
            yield step
        self.seconds[title] = time.perf_counter() - start
        self._console.print(
            f"[bold]{number} {title}[/]  [dim]{self.seconds[title]:.0f} s[/]  {step.outcome}",
            highlight=False,
            soft_wrap=True,
        )
