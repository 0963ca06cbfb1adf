/* Frames out of a ring, with their counters and flags. For one thread, such as a work queue:
 *
 *     while ((size = oecg_sender_next(&sender, &ring, frame, sizeof frame)) > 0) {
 *         if (notify(frame, size) != 0) {
 *             oecg_sender_refused(&sender);
 *             break;
 *         }
 *     }
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef OECG_SENDER_H
#define OECG_SENDER_H

#include <stddef.h>
#include <stdint.h>

#include "oecg_frame.h"
#include "oecg_layout.h"
#include "oecg_ring.h"

typedef struct {
    oecg_data frame;                   /* the header of the newest frame */
    int32_t codes[OECG_MAX_SAMPLES];   /* its samples */
    uint32_t origin;                   /* the ring's index at START */
    uint32_t ring_overrun;             /* the ring's count up to the newest frame */
    uint32_t overrun;                  /* samples lost since START, in the ring or refused */
    uint32_t refused;                  /* frames that the link did not take, since START */
    uint8_t latched;                   /* flags for the next frame */
} oecg_sender;

/* START: forget what waits in the ring and count from 0. `encoding` is one of OECG_KIND_DATA_*.
 * Returns 0 and does nothing where frames of `n_samples` would not fit a message. */
static inline int oecg_sender_start(oecg_sender *sender, oecg_ring *ring, unsigned encoding,
                                    uint8_t n_samples, uint8_t config_id)
{
    const size_t width = oecg_sample_bytes(encoding);
    if (width == 0u || n_samples == 0u ||
        OECG_DATA_SIZE + width * n_samples > OECG_MAX_MESSAGE_BYTES) {
        return 0;
    }
    sender->frame.kind = (uint8_t)encoding;
    sender->frame.flags = 0u;
    sender->frame.sequence = UINT16_MAX; /* the first frame makes it 0 */
    sender->frame.sample_index = 0u;
    sender->frame.ticks = 0u;
    sender->frame.overrun = 0u;
    sender->frame.n_samples = n_samples;
    sender->frame.config_id = config_id;
    ring->next = ring->taken;
    sender->origin = ring->next;
    sender->ring_overrun = ring->overrun;
    sender->overrun = 0u;
    sender->refused = 0u;
    sender->latched = 0u;
    return 1;
}

/* Set flags, of OECG_FLAG_*, for the next frame: for a state (lead off) call it for as long as the
 * state lasts, at least once a frame. */
static inline void oecg_sender_flag(oecg_sender *sender, unsigned flags)
{
    sender->latched = (uint8_t)(sender->latched | flags);
}

/* The next frame's bytes; 0 while fewer samples than a frame's wait, or `capacity` is too small. */
static inline size_t oecg_sender_next(oecg_sender *sender, oecg_ring *ring, uint8_t *out,
                                      size_t capacity)
{
    oecg_data *frame = &sender->frame;
    uint32_t first;
    uint32_t ticks;
    if (capacity < OECG_DATA_SIZE + oecg_sample_bytes(frame->kind) * frame->n_samples ||
        !oecg_ring_take(ring, sender->codes, frame->n_samples, &first, &ticks)) {
        return 0u;
    }
    const uint32_t lost = ring->overrun - sender->ring_overrun;
    sender->ring_overrun = ring->overrun;
    if (lost > 0u) {
        sender->overrun += lost;
        oecg_sender_flag(sender, OECG_FLAG_GAP_BEFORE);
    }
    frame->sequence = (uint16_t)(frame->sequence + 1u);
    frame->sample_index = first - sender->origin;
    frame->ticks = ticks;
    frame->overrun = (uint16_t)(sender->overrun & 0xFFFFu);
    frame->flags = sender->latched;
    sender->latched = 0u;
    return oecg_encode_data(frame, sender->codes, out, capacity);
}

/* The link did not take the newest frame: its samples are lost, its flags go to the next one, and
 * its sequence number is used again. Never stall, never renumber samples. */
static inline void oecg_sender_refused(oecg_sender *sender)
{
    sender->refused++;
    sender->overrun += sender->frame.n_samples;
    sender->frame.sequence = (uint16_t)(sender->frame.sequence - 1u);
    oecg_sender_flag(sender, (unsigned)sender->frame.flags | OECG_FLAG_GAP_BEFORE);
}

/* A status message's fields. `battery_percent` is 255 where it is not known. */
static inline oecg_status oecg_sender_status(const oecg_sender *sender, const oecg_ring *ring,
                                             uint8_t battery_percent)
{
    oecg_status status;
    status.kind = OECG_KIND_STATUS;
    status.flags = sender->latched;
    status.battery_percent = battery_percent;
    status.config_id = sender->frame.config_id;
    status.sample_index = ring->taken - sender->origin;
    status.overrun = sender->overrun;
    status.refused = sender->refused;
    return status;
}

#endif /* OECG_SENDER_H */
