"""The Python side of the schema: ``layout.py``."""

from collections.abc import Iterator

from leadlab_bridge.oecg.schema import Codes, MessageSpec, Schema

_STRUCT_CODES = {"u8": "B", "u16": "H", "u32": "I"}
_CLASSES = {"flag": "Flag", "feature": "Feature", "op": "Op", "result": "Result", "tlv": "TlvType"}


def emit_python(schema: Schema) -> str:
    """Return the text of ``layout.py``."""
    return "\n".join(_lines(schema)) + "\n"


def _lines(schema: Schema) -> Iterator[str]:
    yield f'"""Layout of {schema.name} v{schema.major}: codes, sizes, limits.'
    yield ""
    yield "Generated from oecg_v1.toml by leadlab_bridge.oecg.generate; do not edit."
    yield '"""'
    yield ""
    yield "import struct"
    yield "from enum import IntEnum, IntFlag"
    yield "from typing import Final"
    yield ""
    yield f"MAJOR: Final = {schema.major}"
    yield f"MINOR: Final = {schema.minor}"
    yield f"MAX_MESSAGE_BYTES: Final = {schema.max_message_bytes}"
    yield f"CRC_POLY: Final = 0x{schema.crc['poly']:04X}"
    yield f"CRC_INIT: Final = 0x{schema.crc['init']:04X}"
    yield ""
    for row in schema.characteristics:
        yield f'{row["name"].upper()}_UUID: Final = "{schema.uuid.format(row["code"])}"'
    yield from _codes("Kind", schema.codes["kind"])
    for name, cls in _CLASSES.items():
        yield from _codes(cls, schema.codes[name])
    yield ""
    yield ""
    yield "LEADS: Final[dict[int, str]] = {"
    for value in schema.codes["lead"].values:
        yield f'    {value.code}: "{value.text}",'
    yield "}"
    yield ""
    yield "SAMPLE_BYTES: Final[dict[int, int]] = {"
    for name, size in schema.sample_bytes.items():
        yield f"    Kind.{name.upper()}: {size},"
    yield "}"
    for message in schema.messages.values():
        yield from _message(message)


def _codes(cls: str, codes: Codes) -> Iterator[str]:
    yield ""
    yield ""
    yield f"class {cls}({'IntFlag' if codes.bits else 'IntEnum'}):"
    yield f'    """{codes.doc.partition(". ")[0].rstrip(".")}."""'
    yield ""
    for value in codes.values:
        yield f"    {value.name.upper()} = {value.code}"


def _message(message: MessageSpec) -> Iterator[str]:
    name = message.name.upper()
    format = "<" + "".join(_STRUCT_CODES[field.type] for field in message.fields)
    yield ""
    yield f'{name}: Final = struct.Struct("{format}")'
    limited = [field for field in message.fields if field.limited]
    if limited and message.tail == "tlvs":
        yield f"{name}_LIMITS: Final[dict[str, tuple[int, int]]] = {{"
        for field in limited:
            yield f'    "{field.name}": ({field.min}, {field.max}),'
        yield "}"
