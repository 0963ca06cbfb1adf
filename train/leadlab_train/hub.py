"""Weights from the Hugging Face hub: fetched when a user names them, and never otherwise."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from leadlab_train.errors import CheckpointError

if TYPE_CHECKING:
    from huggingface_hub import HfApi

PREFIX: Final = "hf:"
ONE_LEAD: Final = "1_lead_ECGFounder.pth"
SUFFIXES: Final = (".safetensors", ".pth")

_SPEC = re.compile(PREFIX + r"([^/@\s]+/[^/@\s]+)(?:/([^@]+))?(?:@(.+))?")
_OTHERWISE = "fetch the file another way and give its path"


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A file of a repository; None: the one with weights, and the default revision."""

    repo: str
    file: str | None
    revision: str | None


def fetch_weights(spec: str, *, endpoint: str | None = None, cache_dir: Path | None = None) -> Path:
    """Fetch one file of weights, or find it in the hub client's cache.

    Parameters
    ----------
    spec
        ``hf:ORG/NAME[/FILE][@REVISION]``. Without FILE: ECGFounder's 1-lead checkpoint if the
        repository holds it, else its only file of weights.
    endpoint
        Address of the hub; None for the client's own, which the variable HF_ENDPOINT sets.
    cache_dir
        None for the client's own.

    Raises
    ------
    CheckpointError
        The client is not installed, or repository, revision or file cannot be had.
    """
    wanted = _parse(spec)
    try:
        from huggingface_hub import HfApi
    except ModuleNotFoundError as missing:
        raise CheckpointError(
            f"{spec} needs {missing.name}, which is not installed. "
            f"Remedy: pip install 'leadlab[hub]', or {_OTHERWISE}"
        ) from missing
    try:
        return _fetch(HfApi(endpoint), wanted, cache_dir)
    except CheckpointError:
        raise
    except Exception as error:  # the client raises its own, its HTTP library's and the system's
        reason, remedy = _explain(error, wanted)
        raise CheckpointError(
            f"{spec} cannot be fetched: {reason}. Remedy: {remedy}, or {_OTHERWISE}"
        ) from error


def _parse(spec: str) -> _Wanted:
    match = _SPEC.fullmatch(spec)
    if match is None:
        raise CheckpointError(
            f"{spec!r} names no weights on the hub. "
            f"Remedy: write {PREFIX}ORG/NAME, {PREFIX}ORG/NAME/FILE, or either with @REVISION"
        )
    return _Wanted(*match.groups())


def _fetch(api: "HfApi", wanted: _Wanted, cache_dir: Path | None) -> Path:
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

    def download(file: str) -> Path:
        revision = wanted.revision
        return Path(api.hf_hub_download(wanted.repo, file, revision=revision, cache_dir=cache_dir))

    try:
        # By name before by list: once fetched, this needs no network.
        return download(wanted.file or ONE_LEAD)
    except LocalEntryNotFoundError:
        raise
    except EntryNotFoundError as error:
        files = api.list_repo_files(wanted.repo, revision=wanted.revision)
        held = [file for file in files if file.endswith(SUFFIXES)]
        named = [file for file in held if file.rpartition("/")[2] == ONE_LEAD]
        if wanted.file is None and len(named or held) == 1:
            return download((named or held)[0])
        raise CheckpointError(_choose(wanted, held)) from error


def _choose(wanted: _Wanted, held: list[str]) -> str:
    """Say which files of weights there are to choose from."""
    lacks = f"no file {wanted.file}" if wanted.file else f"neither {ONE_LEAD} nor a single other"
    revision = f"@{wanted.revision}" if wanted.revision else ""
    place = f"{PREFIX}{wanted.repo}{revision}"
    if not held:
        ending = " or ".join(SUFFIXES)
        return f"{place} holds no file that ends in {ending}. Remedy: name another repository"
    return (
        f"{place} holds {lacks}. Its weights ({len(held)}): {', '.join(sorted(held)[:20])}. "
        f"Remedy: name one, as {PREFIX}{wanted.repo}/FILE{revision}"
    )


def _explain(error: Exception, wanted: _Wanted) -> tuple[str, str]:
    """Return why the client failed, and what helps."""
    from huggingface_hub import errors

    match error:
        case errors.GatedRepoError():
            return "its owners ask for consent", "accept their terms on its page, `hf auth login`"
        case errors.RepositoryNotFoundError():
            return (
                f"there is no repository {wanted.repo}, or it is private",
                "check the name; for a private one, `hf auth login`",
            )
        case errors.RevisionNotFoundError():
            return (
                f"{wanted.repo} has no revision {wanted.revision or 'main'}",
                "name a branch, tag or commit of it after @",
            )
        case errors.HFValidationError():
            return str(error).splitlines()[0].rstrip("."), "check the name"
        case errors.LocalEntryNotFoundError():  # the reason is what it was raised from
            return (
                f"the hub does not answer and the cache has no copy ({_first_line(error)})",
                "check the network, HF_ENDPOINT and HF_HUB_OFFLINE",
            )
        case _:
            return _first_line(error), "check the network and the room on the disk, try again"


def _first_line(error: BaseException) -> str:
    cause = error.__cause__ or error
    lines = str(cause).splitlines()
    return f"{type(cause).__name__}: {lines[0].rstrip('.') if lines else 'no reason given'}"
