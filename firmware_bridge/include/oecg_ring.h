/* Samples from an interrupt to a thread, each with the device's clock. No lock, no allocation.
 *
 * The producer never waits: when the consumer is late, the oldest samples are overwritten, and the
 * consumer counts them. A sample's index is its place since the ring was set up, so it stays right
 * whatever is lost. One producer, one consumer, one core (or a core with the producer's stores in
 * order and 32-bit stores whole): the interrupt may come at any instruction of the consumer. On
 * several cores put a lock around both calls.
 * SPDX-License-Identifier: MIT
 */
#ifndef OECG_RING_H
#define OECG_RING_H

#include <stdint.h>

typedef struct {
    int32_t code;
    uint32_t ticks;
} oecg_sample;

typedef struct {
    volatile oecg_sample *slots;
    uint32_t capacity;       /* a power of two */
    volatile uint32_t taken; /* samples pushed; wraps. Written by the producer alone */
    uint32_t next;           /* the first sample not taken out. Written by the consumer alone */
    uint32_t overrun;        /* samples overwritten before they were taken out */
} oecg_ring;

/* Set up a ring over `slots`. Returns 0 and does nothing unless `capacity` is a power of two, 2 or
 * more. One slot is always being written, so the ring holds one sample less. */
static inline int oecg_ring_init(oecg_ring *ring, volatile oecg_sample *slots, uint32_t capacity)
{
    if (capacity < 2u || (capacity & (capacity - 1u)) != 0u) {
        return 0;
    }
    ring->slots = slots;
    ring->capacity = capacity;
    ring->taken = 0u;
    ring->next = 0u;
    ring->overrun = 0u;
    return 1;
}

/* Producer: add a sample and the device's clock at that sample. */
static inline void oecg_ring_push(oecg_ring *ring, int32_t code, uint32_t ticks)
{
    const uint32_t taken = ring->taken;
    volatile oecg_sample *slot = &ring->slots[taken & (ring->capacity - 1u)];
    slot->code = code;
    slot->ticks = ticks;
    ring->taken = taken + 1u;
}

/* Consumer: count what was overwritten, and return how many samples can be taken out. */
static inline uint32_t oecg_ring_waiting(oecg_ring *ring)
{
    const uint32_t waiting = ring->taken - ring->next;
    const uint32_t most = ring->capacity - 1u;
    if (waiting <= most) {
        return waiting;
    }
    ring->overrun += waiting - most;
    ring->next += waiting - most;
    return most;
}

/* Consumer: take out exactly `n` consecutive samples, or none. Returns 1 with their codes, the
 * index of the first and the clock at the last; 0 while fewer than `n` wait. */
static inline int oecg_ring_take(oecg_ring *ring, int32_t *codes, uint32_t n, uint32_t *first,
                                 uint32_t *last_ticks)
{
    while (n > 0u && oecg_ring_waiting(ring) >= n) {
        *first = ring->next;
        for (uint32_t i = 0; i < n; i++) {
            volatile const oecg_sample *slot =
                &ring->slots[(ring->next + i) & (ring->capacity - 1u)];
            codes[i] = slot->code;
            *last_ticks = slot->ticks;
        }
        if (ring->taken - ring->next < ring->capacity) { /* none was overwritten meanwhile */
            ring->next += n;
            return 1;
        }
    }
    return 0;
}

#endif /* OECG_RING_H */
