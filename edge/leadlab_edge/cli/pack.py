"""``leadlab pack``: look into packs, verify them, sign them."""

import json
from pathlib import Path

import click

from leadlab_edge.pack import TEACHER_MAX_BYTES, Pack, Standing, read_trusted_pack
from leadlab_edge.pack.manifest import InputSpec
from leadlab_edge.pack.reader import CARD, DEMO_PACK, read_pack
from leadlab_edge.pack.signature import new_key, sign, write_signature
from leadlab_edge.pack.trust import check_standing
from leadlab_edge.printable import printable

EPILOG = """\b
Examples:
  leadlab pack inspect my.leadpack           what it takes, gives, and where it comes from
  leadlab pack verify my.leadpack --run      and whether this machine computes it right
  leadlab pack key maker.pem                 a key to sign with
  leadlab pack sign my.leadpack --key maker.pem
  leadlab pack verify my.leadpack --require-signature KEY
"""
_SHOWN = 12

_PACK = click.argument("pack_path", metavar="[PACK]", type=Path, required=False)
_REQUIRE = click.option(
    "--require-signature",
    "required",
    metavar="KEY",
    help="Refuse PACK unless signed by KEY: a public key, or a file with one a line.",
)


@click.group(epilog=EPILOG)
@click.help_option("-h", "--help")
def pack() -> None:
    """Look into packs, verify and sign them. Without PACK: the pack that ships with leadlab."""


@pack.command()
@_PACK
@click.option("--all", "show_all", is_flag=True, help="List every indicator.")
@click.option("--json", "as_json", is_flag=True, help="Print the manifest, id and signer as JSON.")
def inspect(pack_path: Path | None, show_all: bool, as_json: bool) -> None:
    """Show what PACK takes and gives, what it was measured to be worth, and its origin."""
    opened, standing = _look(pack_path)
    if as_json:
        manifest = json.loads(opened.manifest.to_bytes())
        table = {"id": opened.id, "signed_by": standing.key, "manifest": manifest}
        click.echo(json.dumps(table, indent=2))
        return
    for line in _describe(opened, standing):
        click.echo(printable(line))
    click.echo()
    ranked = sorted(opened.manifest.indicators, key=lambda row: -(row.auroc or 0.0))
    listed = ranked if show_all else [row for row in ranked if row.shown][:_SHOWN]
    for row in listed:
        auroc = "not measured" if row.auroc is None else f"AUROC {row.auroc:.3f}"
        patients = "" if row.positives is None else f" {row.positives:6} positive patients"
        hidden = "" if row.shown else "  hidden"
        click.echo(printable(f"  {auroc:12}{patients}  {row.label}{hidden}"))
    if len(listed) < len(ranked):
        click.echo(f"  ... and {len(ranked) - len(listed)} more (--all)")


@pack.command()
@_PACK
@click.option("--run", is_flag=True, help="Also run the golden vectors on every runtime here.")
@click.option(
    "--runtime", "runtimes", multiple=True, help="With --run: only this; may be repeated."
)
@_REQUIRE
def verify(
    pack_path: Path | None, run: bool, runtimes: tuple[str, ...], required: str | None
) -> None:
    """Check every byte of PACK, its signature, and with --run what this machine computes.

    Exit status 1 if anything is wrong.
    """
    if pack_path is None and required is None:
        opened, standing = _look(None)
    else:
        opened, standing = read_trusted_pack(pack_path or DEMO_PACK, required, TEACHER_MAX_BYTES)
    golden = opened.golden()
    click.echo(f"{printable(opened.manifest.name)}: every byte as written, id {opened.id}")
    click.echo(str(standing))
    if run:
        _run_golden(pack_path or DEMO_PACK, opened, len(golden.raw_mv), runtimes)


@pack.command("sign")
@click.argument("pack_path", metavar="PACK", type=Path)
@click.option("--key", "key_file", metavar="FILE", type=Path, required=True, help="Private key.")
def sign_command(pack_path: Path, key_file: Path) -> None:
    """Write PACK.sig: whoever holds the private key vouches for PACK.

    The key is an Ed25519 key in a PEM file without a password, from `leadlab pack key` or OpenSSL.
    """
    signature = sign(read_pack(pack_path, TEACHER_MAX_BYTES).id, key_file)
    click.echo(f"{write_signature(pack_path, signature)} by {signature.key}")


@pack.command()
@click.argument("file", type=Path)
def key(file: Path) -> None:
    """Make a private key in FILE, and print its public key to hand out."""
    click.echo(new_key(file))


@pack.command()
@_PACK
def card(pack_path: Path | None) -> None:
    """Print the model card of PACK."""
    opened, _ = _look(pack_path)
    click.echo(printable(opened.members[CARD].decode("utf-8", errors="replace"), "\n"), nl=False)


def _look(path: Path | None) -> tuple[Pack, Standing]:
    """Open a pack to read in, not to run: whoever signed it."""
    if path is None:
        return read_pack(DEMO_PACK), Standing(part_of_leadlab=True)
    opened = read_pack(path, TEACHER_MAX_BYTES)
    return opened, check_standing(path, opened.id, None)


def _run_golden(path: Path, opened: Pack, n_windows: int, runtimes: tuple[str, ...]) -> None:
    """Run the golden vectors, each runtime in a process of its own: one may well crash."""
    from rich.console import Console

    from leadlab_edge.bench import measure, ways
    from leadlab_edge.cli.bench import print_rows

    rows = [measure(path, way, repeats=1) for way in ways(opened, [1], runtimes)]
    print_rows(Console(highlight=False, soft_wrap=True), rows, costs=False)
    bad = [row for row in rows if row.cost is None or not row.cost.passed]
    if bad:
        raise click.ClickException(
            f"{len(bad)} of {len(rows)} do not give the golden logits of {n_windows} windows."
            " Remedy: use another runtime (--runtime), or update that one"
        )


def _describe(opened: Pack, standing: Standing) -> list[str]:
    """Say in a few lines what a pack is."""
    manifest, source = opened.manifest, opened.manifest.provenance
    shown = sum(row.shown for row in manifest.indicators)
    lines = [
        f"{manifest.name}: {len(manifest.indicators)} indicators, {shown} shown on devices",
        f"  id            {opened.id}",
        f"  signature     {standing}",
        f"  written by    {manifest.created_by}, schema {manifest.schema_version}",
        f"  trained on    {'SIMULATED patients' if source.simulated else source.cohort}",
        f"  teacher       {source.teacher or 'not said'}",
        f"  licence       {manifest.licence or 'not said'}",
        f"  use           {manifest.intended_use}",
        f"  front end     {manifest.front_end}",
    ]
    lines += [
        f"  takes         lead {manifest.lead}, {_describe_input(spec)}"
        for spec in (manifest.input, *manifest.other_inputs)
    ]
    lines += [
        f"  holds         {name}, {len(data):,} bytes" for name, data in opened.members.items()
    ]
    return lines


def _describe_input(spec: InputSpec) -> str:
    text = f"{spec.n_samples} samples of mV at {spec.rate_hz:g} Hz ({spec.margin} of margin a side)"
    if spec.unresampled_tolerance:
        text += f", unresampled within {spec.unresampled_tolerance:.1%}"
    if spec.unresampled_auroc_change is not None:
        text += f" (AUROC {spec.unresampled_auroc_change:+.4f})"
    return text
