"""The C side of the schema: ``oecg_layout.h``."""

import textwrap
from collections.abc import Iterator
from typing import Final

from leadlab_bridge.oecg.schema import Field, MessageSpec, Schema

_WIDTH: Final = 100
_C_TYPES = {"u8": "uint8_t", "u16": "uint16_t", "u32": "uint32_t"}

_HEAD = """\
/* Layout of {name} v{major}: codes, sizes, offsets, and the fixed part of every message.
 * Generated from oecg_v1.toml by leadlab_bridge.oecg.generate; do not edit.
 *
 * C99, no dependency. The structs hold a message's fields in memory; on a little-endian machine
 * they are also its bytes, which the assertions below check. Reading and writing shifts bytes and
 * so is right on any machine.
 * SPDX-License-Identifier: MIT
 */
#ifndef OECG_LAYOUT_H
#define OECG_LAYOUT_H

#include <stddef.h>
#include <stdint.h>

#define OECG_STATIC_ASSERT(condition, name) typedef char oecg_assert_##name[(condition) ? 1 : -1]
"""

_BYTES = """\
static inline void oecg_put_u8(uint8_t *at, uint8_t value) { at[0] = value; }

static inline void oecg_put_u16(uint8_t *at, uint16_t value)
{
    at[0] = (uint8_t)(value & 0xFFu);
    at[1] = (uint8_t)(value >> 8);
}

static inline void oecg_put_u32(uint8_t *at, uint32_t value)
{
    oecg_put_u16(at, (uint16_t)(value & 0xFFFFu));
    oecg_put_u16(at + 2, (uint16_t)(value >> 16));
}

static inline uint8_t oecg_get_u8(const uint8_t *at) { return at[0]; }

static inline uint16_t oecg_get_u16(const uint8_t *at)
{
    return (uint16_t)((uint32_t)at[0] | ((uint32_t)at[1] << 8));
}

static inline uint32_t oecg_get_u32(const uint8_t *at)
{
    return (uint32_t)oecg_get_u16(at) | ((uint32_t)oecg_get_u16(at + 2) << 16);
}
"""


def emit_c(schema: Schema) -> str:
    """Return the text of ``oecg_layout.h``."""
    head = _HEAD.format(name=schema.name, major=schema.major)
    return head + "\n" + "\n".join(_lines(schema)) + "\n\n#endif /* OECG_LAYOUT_H */\n"


def _lines(schema: Schema) -> Iterator[str]:
    yield f"#define OECG_MAJOR {schema.major}u"
    yield f"#define OECG_MINOR {schema.minor}u"
    yield f"#define OECG_MAX_MESSAGE_BYTES {schema.max_message_bytes}u"
    yield f"#define OECG_CRC_POLY 0x{schema.crc['poly']:04X}u /* {schema.crc['name']} */"
    yield f"#define OECG_CRC_INIT 0x{schema.crc['init']:04X}u"
    yield ""
    yield "/* UUIDs: as text, and as bytes in the order in which Bluetooth sends them. */"
    for row in schema.characteristics:
        uuid, name = schema.uuid.format(row["code"]), row["name"].upper()
        data = bytes.fromhex(uuid.replace("-", ""))[::-1]
        yield f'#define OECG_{name}_UUID "{uuid}"'
        yield f"#define OECG_{name}_UUID_BYTES \\"
        yield f"    {', '.join(f'0x{byte:02x}' for byte in data)}"
    for codes in schema.codes.values():
        yield ""
        yield from _comment(codes.doc)
        for value in codes.values:
            name = f"OECG_{codes.name}_{value.name}".upper()
            yield from _commented(f"#define {name} 0x{value.code:02X}u", value.doc)
    yield ""
    for name, size in schema.sample_bytes.items():
        yield f"#define OECG_{name.upper()}_BYTES {size}u"
    yield ""
    yield _BYTES.rstrip()
    for message in schema.messages.values():
        yield from _message(message)


def _message(message: MessageSpec) -> Iterator[str]:
    name = message.name
    yield ""
    yield from _comment(message.doc)
    yield "typedef struct {"
    for field in message.fields:
        yield from _commented(f"    {_C_TYPES[field.type]} {field.name};", field.doc)
    yield f"}} oecg_{name};"
    yield ""
    yield f"#define OECG_{name.upper()}_SIZE {message.size}u"
    yield f"OECG_STATIC_ASSERT(sizeof(oecg_{name}) == {message.size}, {name}_size);"
    for field in message.fields:
        where = f"offsetof(oecg_{name}, {field.name}) == {field.at}"
        yield f"OECG_STATIC_ASSERT({where}, {name}_{field.name});"
    yield ""
    yield f"static inline void oecg_put_{name}(uint8_t *at, const oecg_{name} *{name})"
    yield "{"
    for field in message.fields:
        yield f"    oecg_put_{field.type}(at + {field.at}, {name}->{field.name});"
    yield "}"
    yield ""
    yield f"static inline void oecg_get_{name}(const uint8_t *at, oecg_{name} *{name})"
    yield "{"
    for field in message.fields:
        yield f"    {name}->{field.name} = oecg_get_{field.type}(at + {field.at});"
    yield "}"
    yield ""
    yield from _comment(f"Whether every field lies within its limits. {_limits_note(message)}")
    yield f"static inline int oecg_{name}_valid(const oecg_{name} *{name})"
    yield "{"
    checks = [check for field in message.fields for check in _checks(name, field)]
    if not checks:
        yield f"    (void){name};"
    yield f"    return {f' &&{chr(10)}           '.join(checks) or '1'};"
    yield "}"


def _commented(code: str, doc: str) -> Iterator[str]:
    """Yield a line with its comment behind it, or before it where that is too long."""
    line = f"{code} /* {doc} */"
    if len(line) <= _WIDTH:
        yield line
    else:
        yield from _comment(doc, code[: len(code) - len(code.lstrip())])
        yield code


def _comment(doc: str, indent: str = "") -> Iterator[str]:
    lines = textwrap.wrap(doc, _WIDTH - len(indent) - len("/*  */"))
    yield from (f"{indent}{' * ' if n else '/* '}{line}" for n, line in enumerate(lines[:-1]))
    yield f"{indent}{' * ' if lines[1:] else '/* '}{lines[-1]} */"


def _limits_note(message: MessageSpec) -> str:
    limited = [f"{f.name}: {f.min} to {f.max}" for f in message.fields if f.limited]
    return ", ".join(limited) or "There are none."


def _checks(name: str, field: Field) -> Iterator[str]:
    if field.min > 0:
        yield f"{name}->{field.name} >= {field.min}u"
    if field.max < field.type_max:
        yield f"{name}->{field.name} <= {field.max}u"
