/* What a frame costs on this machine: best of many runs, in cycles of the time stamp counter where
 * there is one, else in nanoseconds. The time stamp counter runs at the processor's base rate. */
#define _POSIX_C_SOURCE 200809L

#include <stdio.h>
#include <time.h>

#include "oecg.h"

#define RUNS 2000
#define FRAMES 50

#if defined(__x86_64__)
#include <x86intrin.h>
#define UNIT "cycles"
static double now(void) { return (double)__rdtsc(); }
#else
#define UNIT "ns"
static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}
#endif

static int32_t codes[OECG_MAX_SAMPLES];
static uint8_t message[OECG_MAX_MESSAGE_BYTES];
static uint8_t serial[OECG_SERIAL_BYTES(OECG_MAX_MESSAGE_BYTES)];
static volatile oecg_sample slots[256];
static oecg_ring ring;
static oecg_sender sender;
static volatile uint32_t sink;

static size_t encode(unsigned encoding, uint8_t n)
{
    const oecg_data frame = {.kind = (uint8_t)encoding, .sample_index = sink, .n_samples = n};
    return oecg_encode_data(&frame, codes, message, sizeof message);
}

static size_t encode_16(void) { return encode(OECG_KIND_DATA_S16, 64u); }
static size_t encode_24(void) { return encode(OECG_KIND_DATA_S24, 64u); }
static size_t encode_32(void) { return encode(OECG_KIND_DATA_S32, 64u); }

static size_t decode(void)
{
    oecg_data frame;
    static int32_t samples[OECG_MAX_SAMPLES];
    const int error = oecg_decode_data(message, OECG_DATA_SIZE + 128u, &frame, samples, 64u);
    return error == OECG_OK ? (size_t)samples[63] : 0u;
}

static size_t to_serial(void)
{
    return oecg_to_serial(message, OECG_DATA_SIZE + 128u, serial, sizeof serial);
}

static size_t push_and_send(void)
{
    for (uint32_t i = 0; i < 64u; i++) {
        oecg_ring_push(&ring, codes[i], i);
    }
    return oecg_sender_next(&sender, &ring, message, sizeof message);
}

static void report(const char *what, size_t (*run)(void))
{
    double best = 1e300;
    for (int i = 0; i < RUNS; i++) {
        const double begin = now();
        for (int k = 0; k < FRAMES; k++) {
            sink += (uint32_t)run();
        }
        const double cost = (now() - begin) / FRAMES;
        best = cost < best ? cost : best;
    }
    printf("%-34s %7.0f " UNIT " a frame, %5.1f a sample\n", what, best, best / 64.0);
}

int main(void)
{
    for (int i = 0; i < 255; i++) {
        codes[i] = (i * 7919) % 4001 - 2000;
    }
    if (!oecg_ring_init(&ring, slots, 256u) ||
        !oecg_sender_start(&sender, &ring, OECG_KIND_DATA_S16, 64u, 0u)) {
        return 1;
    }
    printf("frames of 64 samples\n");
    report("encode, 24 bits", encode_24);
    report("encode, 32 bits", encode_32);
    report("encode, 16 bits", encode_16);
    report("decode, 16 bits", decode);
    report("to serial (CRC and COBS), 16 bits", to_serial);
    report("64 pushes, take out and encode", push_and_send);
    return 0;
}
