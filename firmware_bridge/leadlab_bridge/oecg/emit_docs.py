"""The tables of ``docs/open-profile.md``, between its markers."""

from collections.abc import Iterator

from leadlab_bridge.oecg.schema import Codes, MessageSpec, Schema

BEGIN = "<!-- generated from oecg_v1.toml: begin -->"
END = "<!-- generated from oecg_v1.toml: end -->"


def emit_docs(schema: Schema, page: str) -> str:
    """Return ``page`` with its generated part anew.

    Raises
    ------
    ValueError
        The page does not hold both markers once.
    """
    if page.count(BEGIN) != 1 or page.count(END) != 1:
        raise ValueError(f"the page must hold {BEGIN!r} and {END!r} once each")
    before, _, rest = page.partition(BEGIN)
    after = rest.partition(END)[2]
    return "".join((before, BEGIN, "\n\n", "\n".join(_lines(schema)), "\n\n", END, after))


def _lines(schema: Schema) -> Iterator[str]:
    yield "### Service"
    yield ""
    yield "| name | UUID | properties | carries | |"
    yield "|---|---|---|---|---|"
    for row in schema.characteristics:
        cells = (row["name"], f"`{schema.uuid.format(row['code'])}`", row["properties"])
        yield f"| {' | '.join(cells)} | {row['carries']} | {row['doc']} |"
    for message in schema.messages.values():
        yield from _message(message)
    for codes in schema.codes.values():
        yield from _codes(codes)


def _message(message: MessageSpec) -> Iterator[str]:
    yield ""
    yield f"### Message: {message.name}"
    yield ""
    yield message.doc
    yield ""
    yield "| at | type | field | limits | meaning |"
    yield "|---|---|---|---|---|"
    for field in message.fields:
        limits = f"{field.min} to {field.max}" if field.limited else ""
        yield f"| {field.at} | {field.type} | `{field.name}` | {limits} | {field.doc} |"
    yield f"| {message.size} | | {message.tail} | | {_TAILS[message.tail]} |"


_TAILS = {
    "samples": "`n_samples` of them, and nothing after",
    "tlvs": "any number of optional fields, to the end of the message",
}


def _codes(codes: Codes) -> Iterator[str]:
    yield ""
    yield f"### Codes: {codes.name}"
    yield ""
    yield codes.doc
    yield ""
    yield "| code | name | meaning |"
    yield "|---|---|---|"
    for value in codes.values:
        code = f"0x{value.code:02X}" if codes.bits else str(value.code)
        yield f"| {code} | `{value.text or value.name}` | {value.doc} |"
