"""``leadlab firmware``: the C side of the open profile, and a pack's model as C."""

from importlib.resources import files
from pathlib import Path

import click

from leadlab_bridge.firmware_model import FirmwareModel, FirmwareOutput, model_to_c
from leadlab_edge.errors import PackError
from leadlab_edge.pack import ModelFile, Pack, demo_pack, read_trusted_pack

# Where export notes TFLite Micro's arena for the int8 file, in bytes.
ARENA_KEY = "int8.tflite.arena_bytes"

EPILOG = """\b
Examples:
  leadlab firmware header --out include            the open profile's C headers
  leadlab firmware model --out src                 the demo pack's model as C
  leadlab firmware model my.leadpack --golden 4    another pack's, with four golden windows
"""

_OUT = click.option(
    "--out",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(),
    help="Folder to write to; made if it is missing. Default: this one.",
)


@click.group(epilog=EPILOG)
@click.help_option("-h", "--help")
def firmware() -> None:
    """Write C for firmware makers: the open profile, and a pack's model."""


@firmware.command()
@_OUT
def header(out: Path) -> None:
    """Write the C headers of the open profile OECG, and its golden vectors.

    C99, headers only, no allocation, no dependency: #include "oecg.h".
    """
    folder = files("leadlab_bridge") / "include"
    if not folder.is_dir():
        raise click.ClickException(
            f"{folder} is no folder: this checkout was made without symbolic links. "
            "Remedy: copy firmware_bridge/include, or install leadlab from its wheel"
        )
    for source in sorted(folder.iterdir(), key=lambda source: source.name):
        if source.name.endswith((".h", ".json")):
            _write(out / source.name, source.read_text(encoding="utf-8"))


@firmware.command()
@click.argument("pack_path", metavar="[PACK]", type=Path, required=False)
@_OUT
@click.option("--name", help="Prefix of every C name. Default: the pack's name.")
@click.option(
    "--golden",
    "n_golden",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Golden windows for the self-test; as many as the pack holds at most.",
)
def model(pack_path: Path | None, out: Path, name: str | None, n_golden: int) -> None:
    """Write the int8 TFLite model of PACK as C: the demo pack's without PACK.

    NAME_model.h and NAME_model.c hold the model, its labels and thresholds, golden windows, and a
    self-test to run once on the device.
    """
    pack = read_trusted_pack(pack_path)[0] if pack_path else demo_pack()
    for file, text in model_to_c(_firmware_model(pack, name, n_golden)).items():
        _write(out / file, text)


def _firmware_model(pack: Pack, name: str | None, n_golden: int) -> FirmwareModel:
    """Gather from a pack what its firmware must know.

    Raises
    ------
    PackError
        The pack has no int8 TFLite model that takes raw millivolts.
    """
    manifest, golden = pack.manifest, pack.golden()
    file = ModelFile.of("tflite", "int8")
    if file not in manifest.models or file.file not in golden.logits:
        held = ", ".join(held.file for held in manifest.models)
        raise PackError(
            f"pack holds {held}; a microcontroller needs {file.file} with golden logits. "
            "Remedy: export it on Linux x86-64 or macOS arm64, where TFLite can be written"
        )
    if manifest.front_end != "in-graph":
        raise PackError(
            f"front end is {manifest.front_end}, which runs outside the model; firmware needs "
            "in-graph. Remedy: export a compact model"
        )
    return FirmwareModel(
        name=name or manifest.name,
        tflite=pack.members[file.file],
        pack_id=pack.id,
        lead=manifest.lead,
        licence=manifest.licence,
        intended_use=manifest.intended_use,
        simulated=manifest.provenance.simulated,
        rate_hz=manifest.input.rate_hz,
        n_samples=manifest.input.n_samples,
        margin=manifest.input.margin,
        temperature=manifest.calibration.value,
        outputs=tuple(
            FirmwareOutput(row.name, row.label, row.operating_threshold, row.shown)
            for row in manifest.indicators
        ),
        golden_mv=golden.raw_mv[:n_golden],
        golden_logits=golden.logits[file.file][:n_golden],
        arena_bytes=_arena_bytes(manifest.quantization.get(ARENA_KEY)),
    )


def _arena_bytes(noted: str | None) -> int | None:
    if noted is None:
        return None
    if not noted.isascii() or not noted.isdecimal():
        raise PackError(f"{ARENA_KEY} is {noted!r}; it must be a whole number. Write the pack anew")
    return int(noted)


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as cause:
        raise click.ClickException(
            f"{path} cannot be written: {cause.strerror or cause}. Remedy: choose another --out"
        ) from cause
    click.echo(path)
