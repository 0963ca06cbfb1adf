"""The command ``leadlab``: a table of verbs, each loaded only when it is called.

The table names modules as strings. This is the one place where the device side points at the
training side, and it does so without importing it.
"""

from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import version
from typing import Any

import click

from leadlab_bridge.errors import LeadlabError


@dataclass(frozen=True, slots=True)
class Verb:
    """Where a verb lives, what it does in one line, and the extra it needs beyond the device."""

    target: str
    summary: str
    extra: str | None = None


# In the order in which a user meets them.
VERBS = {
    "demo": Verb(
        "leadlab_export.demo.cli:demo",
        "See the whole loop: train, compress, check, run on real ECG.",
        "demo",
    ),
    "weights": Verb(
        "leadlab_train.cli_weights:weights",
        "Inspect and convert ECGFounder checkpoints.",
        "train",
    ),
    "cohort": Verb(
        "leadlab_train.cli_cohort:cohort",
        "Simulate cohorts, and show what one holds.",
        "train",
    ),
    "train": Verb(
        "leadlab_train.cli_train:train_command",
        "Fine-tune ECGFounder on a cohort, resumably, on one GPU or many.",
        "train",
    ),
    "distill": Verb(
        "leadlab_export.cli_distill:distill_command",
        "Distil a compact student from a teacher.",
        "train",
    ),
    "export": Verb(
        "leadlab_export.cli_export:export_command",
        "Write a model as one verified pack: ONNX, TFLite, int8.",
        "export",
    ),
    "check": Verb(
        "leadlab_export.check.cli:check_command",
        "Hold a pack against its full model: accuracy, drift, cost.",
        "check",
    ),
    "scan": Verb("leadlab_edge.cli.scan:scan", "List the Bluetooth ECG wearables in reach."),
    "pair": Verb(
        "leadlab_edge.cli.pair:pair",
        "Pair with a wearable that streams to paired hosts only.",
    ),
    "run": Verb("leadlab_edge.cli.run:run", "Run a pack on a wearable, a recording, a simulation."),
    "bench": Verb(
        "leadlab_edge.cli.bench:bench",
        "Measure a pack on this machine's runtimes; pin the fastest.",
    ),
    "pack": Verb("leadlab_edge.cli.pack:pack", "Inspect, verify and sign packs."),
    "capture": Verb(
        "leadlab_edge.cli.capture:capture", "Record what a wearable sends, byte for byte."
    ),
    "simulate": Verb(
        "leadlab_edge.cli.simulate:simulate",
        "Be a wearable, with the faults you ask for.",
        "simulate",
    ),
    "firmware": Verb(
        "leadlab_edge.cli.firmware:firmware",
        "Write C: the open profile's headers, a pack's model.",
    ),
}


class LazyVerbs(click.Group):
    """A click group that imports a verb's module when the verb is called, not before."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the verbs in the table's order."""
        del ctx
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return one verb."""
        del ctx
        verb = VERBS.get(cmd_name)
        if verb is None:
            return None
        module, _, attribute = verb.target.partition(":")
        try:
            command = getattr(import_module(module), attribute)
        except ModuleNotFoundError as missing:
            if verb.extra is None or (missing.name or "").startswith("leadlab"):
                raise
            raise click.ClickException(
                f"leadlab {cmd_name} needs {missing.name}, which is not installed. "
                f"Remedy: pip install 'leadlab[{verb.extra}]'"
            ) from missing
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the verbs from the table, so that --help imports none of them."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, verb.summary) for name, verb in VERBS.items()])

    def invoke(self, ctx: click.Context) -> Any:
        """Turn leadlab's own errors into one line and exit status 1."""
        try:
            return super().invoke(ctx)
        except LeadlabError as error:
            raise click.ClickException(str(error)) from error


@click.group(cls=LazyVerbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(version("leadlab"), prog_name="leadlab")
def main() -> None:
    """One ECG lead in, laboratory indicators out, on the device that measures it.

    Research software, not a medical device.
    """
