/* Messages over a byte stream: a message and its CRC-16, COBS-encoded, ended by a zero byte.
 * SPDX-License-Identifier: MIT
 */
#ifndef OECG_SERIAL_H
#define OECG_SERIAL_H

#include <stddef.h>
#include <stdint.h>

#include "oecg_frame.h"
#include "oecg_layout.h"

#define OECG_CRC_BYTES 2u
#define OECG_COBS_BLOCK 254u
/* Room for a message of `size` bytes on a byte stream, its zero byte included. */
#define OECG_SERIAL_BYTES(size)                                                                    \
    ((size) + OECG_CRC_BYTES + ((size) + OECG_CRC_BYTES) / OECG_COBS_BLOCK + 2u)

/* Go on with a CRC; start with OECG_CRC_INIT. Four bits a step: a table of 32 bytes. */
static inline uint16_t oecg_crc16(uint16_t crc, const uint8_t *data, size_t size)
{
    static const uint16_t table[16] = {
        0x0000, 0x1021, 0x2042, 0x3063, 0x4084, 0x50A5, 0x60C6, 0x70E7,
        0x8108, 0x9129, 0xA14A, 0xB16B, 0xC18C, 0xD1AD, 0xE1CE, 0xF1EF,
    };
    uint32_t value = crc;
    for (size_t i = 0; i < size; i++) {
        value = (value << 4 ^ table[(value >> 12 ^ (uint32_t)data[i] >> 4) & 0x0Fu]) & 0xFFFFu;
        value = (value << 4 ^ table[(value >> 12 ^ (uint32_t)data[i]) & 0x0Fu]) & 0xFFFFu;
    }
    return (uint16_t)value;
}

/* A COBS block under way: its code byte is written when it ends. */
typedef struct {
    uint8_t *out;
    size_t code_at;
    size_t size;
} oecg_cobs;

static inline void oecg_cobs_end_block(oecg_cobs *cobs)
{
    cobs->out[cobs->code_at] = (uint8_t)(cobs->size - cobs->code_at);
    cobs->code_at = cobs->size++;
}

static inline void oecg_cobs_put(oecg_cobs *cobs, const uint8_t *data, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (cobs->size - cobs->code_at > OECG_COBS_BLOCK) { /* full, and more follows */
            oecg_cobs_end_block(cobs);
        }
        if (data[i] == 0u) {
            oecg_cobs_end_block(cobs);
        } else {
            cobs->out[cobs->size++] = data[i];
        }
    }
}

/* Encode a message for a byte stream; return the bytes, 0 where they do not fit. */
static inline size_t oecg_to_serial(const uint8_t *message, size_t size, uint8_t *out,
                                    size_t capacity)
{
    if (size == 0u || size > OECG_MAX_MESSAGE_BYTES || capacity < OECG_SERIAL_BYTES(size)) {
        return 0u;
    }
    uint8_t crc[OECG_CRC_BYTES];
    oecg_put_u16(crc, oecg_crc16(OECG_CRC_INIT, message, size));
    oecg_cobs cobs = {out, 0u, 1u};
    oecg_cobs_put(&cobs, message, size);
    oecg_cobs_put(&cobs, crc, OECG_CRC_BYTES);
    oecg_cobs_end_block(&cobs); /* leaves room for one byte more */
    out[cobs.code_at] = 0u;
    return cobs.size;
}

/* Cuts a byte stream into messages. All zero is its initial state. */
typedef struct {
    uint8_t message[OECG_MAX_MESSAGE_BYTES + OECG_CRC_BYTES]; /* valid until the next byte */
    size_t size;
    uint8_t left;    /* bytes of the block still to come */
    uint8_t in_frame;
    uint8_t no_zero; /* the block under way ends without a zero: it is a full one */
    uint8_t too_long;
} oecg_deframer;

static inline void oecg_deframer_add(oecg_deframer *deframer, uint8_t byte)
{
    if (deframer->size < sizeof deframer->message) {
        deframer->message[deframer->size++] = byte;
    } else {
        deframer->too_long = 1u;
    }
}

/* Whether what the deframer holds is a message and its CRC; its size without it, or an error. */
static inline int oecg_deframer_check(const oecg_deframer *deframer)
{
    if (deframer->left != 0u || deframer->too_long || deframer->size <= OECG_CRC_BYTES) {
        return OECG_BAD_SERIAL;
    }
    const size_t size = deframer->size - OECG_CRC_BYTES;
    const uint16_t crc = oecg_crc16(OECG_CRC_INIT, deframer->message, size);
    return crc == oecg_get_u16(deframer->message + size) ? (int)size : OECG_BAD_SERIAL;
}

/* Take the next byte. Returns the size of a message that it completes, in `deframer->message`; 0
 * when there is none yet; OECG_BAD_SERIAL at the end of a damaged one. In step again at every zero
 * byte. */
static inline int oecg_deframe(oecg_deframer *deframer, uint8_t byte)
{
    if (byte == 0u) {
        const int result = deframer->in_frame ? oecg_deframer_check(deframer) : 0;
        deframer->in_frame = 0u;
        return result;
    }
    if (!deframer->in_frame) {
        deframer->size = 0u;
        deframer->left = 0u;
        deframer->too_long = 0u;
        deframer->no_zero = 1u;
        deframer->in_frame = 1u;
    }
    if (deframer->left > 0u) {
        deframer->left--;
        oecg_deframer_add(deframer, byte);
        return 0;
    }
    if (!deframer->no_zero) {
        oecg_deframer_add(deframer, 0u);
    }
    deframer->left = (uint8_t)(byte - 1u);
    deframer->no_zero = byte > OECG_COBS_BLOCK;
    return 0;
}

#endif /* OECG_SERIAL_H */
