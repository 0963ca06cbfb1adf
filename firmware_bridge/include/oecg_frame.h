/* Messages of the open profile to bytes and back.
 *
 * Encoders return the number of bytes, 0 where the message is not legal or does not fit. Decoders
 * return OECG_OK or an error below, and read no byte beyond `size` whatever the bytes are.
 * SPDX-License-Identifier: MIT
 */
#ifndef OECG_FRAME_H
#define OECG_FRAME_H

#include <stddef.h>
#include <stdint.h>

#include "oecg_layout.h"

#define OECG_OK 0
#define OECG_BAD_LENGTH (-1)  /* cut short, too long, or a length inside that disagrees */
#define OECG_BAD_VERSION (-2) /* another major version */
#define OECG_BAD_KIND (-3)    /* a kind of message that this version does not know */
#define OECG_BAD_VALUE (-4)   /* a field beyond its limits */
#define OECG_NO_ROOM (-5)     /* the caller's array is too small */
#define OECG_BAD_SERIAL (-6)  /* not COBS, too long, or the CRC differs */

#define OECG_INVALID INT32_MIN /* an invalid sample, in every encoding */
#define OECG_MAX_SAMPLES 255u

#define OECG_KIND_BYTE(kind) ((uint8_t)((OECG_MAJOR << 4) | (kind)))

/* Bytes of a sample of this encoding, 0 where it is none. */
static inline size_t oecg_sample_bytes(unsigned encoding)
{
    switch (encoding) {
    case OECG_KIND_DATA_S16:
        return OECG_DATA_S16_BYTES;
    case OECG_KIND_DATA_S24:
        return OECG_DATA_S24_BYTES;
    case OECG_KIND_DATA_S32:
        return OECG_DATA_S32_BYTES;
    default:
        return 0u;
    }
}

/* Kind of a message, one of OECG_KIND_*, or an error. */
static inline int oecg_kind(const uint8_t *message, size_t size)
{
    if (size < 1u || size > OECG_MAX_MESSAGE_BYTES) {
        return OECG_BAD_LENGTH;
    }
    if ((unsigned)(message[0] >> 4) != OECG_MAJOR) {
        return OECG_BAD_VERSION;
    }
    unsigned kind = message[0] & 0x0Fu;
    if (oecg_sample_bytes(kind) == 0u && (kind < OECG_KIND_INFO || kind > OECG_KIND_RESPONSE)) {
        return OECG_BAD_KIND;
    }
    return (int)kind;
}

/* Encode a frame. `frame->kind` is one of OECG_KIND_DATA_*; `samples` are `frame->n_samples` codes.
 * A sample beyond the encoding is clipped and sets OECG_FLAG_SATURATED. */
static inline size_t oecg_encode_data(const oecg_data *frame, const int32_t *samples, uint8_t *out,
                                      size_t capacity)
{
    const size_t width = oecg_sample_bytes(frame->kind);
    const size_t size = OECG_DATA_SIZE + width * frame->n_samples;
    if (width == 0u || !oecg_data_valid(frame) || size > OECG_MAX_MESSAGE_BYTES ||
        size > capacity) {
        return 0u;
    }
    const int32_t high = (int32_t)(UINT32_C(0x7FFFFFFF) >> (32u - 8u * width));
    oecg_data head = *frame;
    head.kind = OECG_KIND_BYTE(frame->kind);
    uint8_t *at = out + OECG_DATA_SIZE;
    for (size_t i = 0; i < frame->n_samples; i++) {
        int32_t code = samples[i];
        if (code == OECG_INVALID) {
            code = -high - 1;
        } else if (code > high || code < -high) {
            code = code > high ? high : -high;
            head.flags = (uint8_t)(head.flags | OECG_FLAG_SATURATED);
        }
        const uint32_t bits = (uint32_t)code;
        oecg_put_u16(at, (uint16_t)(bits & 0xFFFFu));
        if (width > 2u) {
            at[2] = (uint8_t)((bits >> 16) & 0xFFu);
        }
        if (width > 3u) {
            at[3] = (uint8_t)(bits >> 24);
        }
        at += width;
    }
    oecg_put_data(out, &head);
    return size;
}

/* Sample at `at`, sign-extended; OECG_INVALID for the lowest code. */
static inline int32_t oecg_get_sample(const uint8_t *at, size_t width)
{
    uint32_t bits = oecg_get_u16(at);
    if (width > 2u) {
        bits |= (uint32_t)at[2] << 16;
    }
    if (width > 3u) {
        bits |= (uint32_t)at[3] << 24;
    }
    const uint32_t sign = UINT32_C(1) << (8u * width - 1u);
    if (bits == sign) {
        return OECG_INVALID;
    }
    /* Two's complement without relying on a signed shift. */
    return bits < sign ? (int32_t)bits : -(int32_t)(sign - 1u - (bits - sign)) - 1;
}

/* Decode a frame into its header and `frame->n_samples` samples. `frame->kind` becomes the bare
 * encoding. Any frame fits OECG_MAX_SAMPLES. */
static inline int oecg_decode_data(const uint8_t *message, size_t size, oecg_data *frame,
                                   int32_t *samples, size_t capacity)
{
    const int kind = oecg_kind(message, size);
    if (kind < 0) {
        return kind;
    }
    const size_t width = oecg_sample_bytes((unsigned)kind);
    if (width == 0u) {
        return OECG_BAD_KIND;
    }
    if (size < OECG_DATA_SIZE) {
        return OECG_BAD_LENGTH;
    }
    oecg_get_data(message, frame);
    frame->kind = (uint8_t)kind;
    if (!oecg_data_valid(frame)) {
        return OECG_BAD_VALUE;
    }
    if (size != OECG_DATA_SIZE + width * frame->n_samples) {
        return OECG_BAD_LENGTH;
    }
    if (frame->n_samples > capacity) {
        return OECG_NO_ROOM;
    }
    for (size_t i = 0; i < frame->n_samples; i++) {
        samples[i] = oecg_get_sample(message + OECG_DATA_SIZE + i * width, width);
    }
    return OECG_OK;
}

/* An optional field: `length` bytes at `value`, inside the message. */
typedef struct {
    uint8_t type;
    uint8_t length;
    const uint8_t *value;
} oecg_tlv;

/* Read the optional field at `at` and return where the next one starts; 0 at the end of the message
 * and where the field is cut short. */
static inline size_t oecg_next_tlv(const uint8_t *message, size_t size, size_t at, oecg_tlv *tlv)
{
    if (at >= size || size - at < 2u || size - at - 2u < message[at + 1u]) {
        return 0u;
    }
    tlv->type = message[at];
    tlv->length = message[at + 1u];
    tlv->value = message + at + 2u;
    return at + 2u + tlv->length;
}

/* Add an optional field to an encoded message of `size` bytes; return the new size, 0 if it does
 * not fit. Takes size 0, so that calls can be chained and checked once. */
static inline size_t oecg_add_tlv(uint8_t *message, size_t size, size_t capacity, uint8_t type,
                                  const uint8_t *value, uint8_t length)
{
    const size_t limit = capacity < OECG_MAX_MESSAGE_BYTES ? capacity : OECG_MAX_MESSAGE_BYTES;
    if (size == 0u || size > limit || limit - size < 2u + (size_t)length) {
        return 0u;
    }
    message[size] = type;
    message[size + 1u] = length;
    for (size_t i = 0; i < length; i++) {
        message[size + 2u + i] = value[i];
    }
    return size + 2u + length;
}

/* Check a message with optional fields: its kind, its fixed part, the form of what follows. */
static inline int oecg_check(const uint8_t *message, size_t size, unsigned kind, size_t fixed)
{
    const int found = oecg_kind(message, size);
    if (found < 0) {
        return found;
    }
    if ((unsigned)found != kind) {
        return OECG_BAD_KIND;
    }
    if (size < fixed) {
        return OECG_BAD_LENGTH;
    }
    for (size_t at = fixed; at < size;) {
        oecg_tlv tlv;
        at = oecg_next_tlv(message, size, at, &tlv);
        if (at == 0u) {
            return OECG_BAD_LENGTH;
        }
    }
    return OECG_OK;
}

/* For each of these messages an encoder, to which oecg_add_tlv can add, and a decoder, after which
 * oecg_next_tlv reads on from OECG_<MESSAGE>_SIZE. `kind` is written by the encoder. */
#define OECG_CODEC(name, NAME)                                                                     \
    static inline size_t oecg_encode_##name(const oecg_##name *fields, uint8_t *out,               \
                                            size_t capacity)                                       \
    {                                                                                              \
        if (capacity < OECG_##NAME##_SIZE || !oecg_##name##_valid(fields)) {                       \
            return 0u;                                                                             \
        }                                                                                          \
        oecg_put_##name(out, fields);                                                              \
        out[0] = OECG_KIND_BYTE(OECG_KIND_##NAME);                                                 \
        return OECG_##NAME##_SIZE;                                                                 \
    }                                                                                              \
                                                                                                   \
    static inline int oecg_decode_##name(const uint8_t *message, size_t size, oecg_##name *fields) \
    {                                                                                              \
        const int error = oecg_check(message, size, OECG_KIND_##NAME, OECG_##NAME##_SIZE);         \
        if (error != OECG_OK) {                                                                    \
            return error;                                                                          \
        }                                                                                          \
        oecg_get_##name(message, fields);                                                          \
        fields->kind = OECG_KIND_##NAME;                                                           \
        return oecg_##name##_valid(fields) ? OECG_OK : OECG_BAD_VALUE;                             \
    }                                                                                              \
    struct oecg_##name##_codec /* takes the semicolon */

OECG_CODEC(info, INFO);
OECG_CODEC(status, STATUS);
OECG_CODEC(command, COMMAND);
OECG_CODEC(response, RESPONSE);

#endif /* OECG_FRAME_H */
