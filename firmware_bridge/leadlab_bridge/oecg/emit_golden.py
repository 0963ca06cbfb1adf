"""Golden vectors: every message of the schema's list as bytes, packed without the codec."""

import json
from typing import Any

from leadlab_bridge.oecg.schema import Schema
from leadlab_bridge.oecg.serial import to_serial


def emit_golden(schema: Schema) -> str:
    """Return the text of ``oecg_golden.json``."""
    messages = [_vector(schema, row) for row in schema.vectors]
    refused = [
        {"name": row["name"], "hex": bytes.fromhex(row["hex"]).hex()} for row in schema.refused
    ]
    table = {
        "profile": schema.name,
        "version": f"{schema.major}.{schema.minor}",
        "crc_check": {"of": "123456789", "crc": schema.crc["check"]},
        "messages": messages,
        "refused": refused,
    }
    return json.dumps(table, indent=1, ensure_ascii=True) + "\n"


def _vector(schema: Schema, row: dict[str, Any]) -> dict[str, Any]:
    kind = row.get("encoding", row["message"])
    codes = {value.name: value.code for value in schema.codes["kind"].values}
    samples = _samples(row)
    fields = {field.name: 0 for field in schema.messages[row["message"]].fields}
    fields |= row["fields"] | {"kind": schema.major << 4 | codes[kind]}
    if row["message"] == "data":
        fields["n_samples"] = len(samples)
    message = b"".join(
        fields[field.name].to_bytes(field.size, "little")
        for field in schema.messages[row["message"]].fields
    )
    width = schema.sample_bytes.get(kind, 0)
    message += b"".join(sample.to_bytes(width, "little", signed=True) for sample in samples)
    tlvs = [[tlv["type"], tlv["text"].encode()] for tlv in row.get("tlvs", [])]
    message += b"".join(bytes([type_, len(value)]) + value for type_, value in tlvs)
    vector = {"name": row["name"], "message": row["message"], "fields": fields}
    if samples:
        vector["samples"] = samples
    if tlvs:
        vector["tlvs"] = [[type_, value.hex()] for type_, value in tlvs]
    return vector | {"hex": message.hex(), "serial": to_serial(message).hex()}


def _samples(row: dict[str, Any]) -> list[int]:
    if "ramp" in row:
        ramp = row["ramp"]
        return [ramp["start"] + number * ramp["step"] for number in range(ramp["n"])]
    samples: list[int] = row.get("samples", [])
    return samples
