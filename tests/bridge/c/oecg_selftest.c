/* The ring and the sender: every sample arrives under its own index or is counted as lost. The last
 * test interrupts the consumer with a signal handler that pushes, as an interrupt would. */
#define _POSIX_C_SOURCE 200809L
#define _DEFAULT_SOURCE

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>

#include "oecg.h"

static int failures;

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            failures++;                                                                            \
            printf("%s:%d: %s\n", __FILE__, __LINE__, #condition);                                 \
        }                                                                                          \
    } while (0)

#define CAPACITY 64u
#define N 10u

static volatile oecg_sample slots[CAPACITY];
static oecg_ring ring;
static oecg_sender sender;
static uint8_t message[OECG_MAX_MESSAGE_BYTES];
static oecg_data frame;
static int32_t samples[OECG_MAX_SAMPLES];

/* A sample whose code and ticks follow from its index. */
static void push_one(void)
{
    oecg_ring_push(&ring, (int32_t)(ring.taken % 30000u), 3u * ring.taken);
}

static void push(uint32_t n)
{
    while (n-- > 0u) {
        push_one();
    }
}

/* Take the next frame, decode it, check that its samples are those of its index. */
static int next_frame(void)
{
    const size_t size = oecg_sender_next(&sender, &ring, message, sizeof message);
    if (size == 0u) {
        return 0;
    }
    CHECK(oecg_decode_data(message, size, &frame, samples, OECG_MAX_SAMPLES) == OECG_OK);
    const uint32_t first = frame.sample_index + sender.origin;
    int wrong = frame.ticks != 3u * (first + frame.n_samples - 1u);
    for (uint32_t i = 0; i < frame.n_samples; i++) {
        wrong += samples[i] != (int32_t)((first + i) % 30000u);
    }
    CHECK(wrong == 0);
    return 1;
}

static void start(void)
{
    CHECK(oecg_ring_init(&ring, slots, CAPACITY));
    push(7u); /* before START: not part of the stream */
    CHECK(oecg_sender_start(&sender, &ring, OECG_KIND_DATA_S16, N, 5u));
}

static void test_frames_follow_each_other(void)
{
    start();
    CHECK(!next_frame());
    push(2u * N + 3u);
    for (unsigned k = 0; k < 2u; k++) {
        CHECK(next_frame());
        CHECK(frame.sequence == k && frame.sample_index == k * N && frame.overrun == 0u);
        CHECK(frame.flags == 0u && frame.n_samples == N && frame.config_id == 5u);
    }
    CHECK(!next_frame());
    push(N);
    CHECK(next_frame());
    CHECK(frame.sample_index == 2u * N);
}

static void test_a_late_consumer_counts_what_was_overwritten(void)
{
    start();
    push(N);
    CHECK(next_frame());
    push(CAPACITY + 20u);
    CHECK(next_frame());
    CHECK(frame.flags == OECG_FLAG_GAP_BEFORE);
    CHECK(frame.overrun == 21u); /* one slot is always being written */
    CHECK(frame.sample_index == N + 21u && frame.sequence == 1u);
    CHECK(next_frame());
    CHECK(frame.flags == 0u && frame.overrun == 21u && frame.sample_index == 2u * N + 21u);
}

static void test_a_refused_frame_is_counted_and_never_renumbered(void)
{
    start();
    push(4u * N);
    CHECK(next_frame());
    oecg_sender_flag(&sender, OECG_FLAG_LEAD_OFF | OECG_FLAG_CLOCK_RESET);
    CHECK(next_frame());
    CHECK(frame.flags == (OECG_FLAG_LEAD_OFF | OECG_FLAG_CLOCK_RESET) && frame.sequence == 1u);
    oecg_sender_refused(&sender);
    CHECK(next_frame());
    CHECK(frame.flags == (OECG_FLAG_LEAD_OFF | OECG_FLAG_CLOCK_RESET | OECG_FLAG_GAP_BEFORE));
    CHECK(frame.sequence == 1u && frame.sample_index == 2u * N && frame.overrun == N);
    CHECK(next_frame());
    CHECK(frame.flags == 0u && frame.sequence == 2u);
    const oecg_status status = oecg_sender_status(&sender, &ring, 255u);
    CHECK(status.refused == 1u && status.overrun == N && status.sample_index == 4u * N);
    CHECK(status.config_id == 5u && status.battery_percent == 255u);
}

static void test_a_new_start_counts_from_zero(void)
{
    start();
    push(CAPACITY + 5u);
    CHECK(next_frame());
    CHECK(oecg_sender_start(&sender, &ring, OECG_KIND_DATA_S24, N, 6u));
    CHECK(!next_frame());
    push(N);
    CHECK(next_frame());
    CHECK(frame.kind == OECG_KIND_DATA_S24 && frame.sample_index == 0u && frame.sequence == 0u);
    CHECK(frame.overrun == 0u && frame.flags == 0u && frame.config_id == 6u);
}

static void test_counters_wrap(void)
{
    CHECK(oecg_ring_init(&ring, slots, CAPACITY));
    ring.taken = ring.next = UINT32_MAX - 4u;
    CHECK(oecg_sender_start(&sender, &ring, OECG_KIND_DATA_S32, N, 0u));
    for (uint32_t i = 0; i < N; i++) {
        oecg_ring_push(&ring, (int32_t)i, i);
    }
    const size_t size = oecg_sender_next(&sender, &ring, message, sizeof message);
    CHECK(oecg_decode_data(message, size, &frame, samples, OECG_MAX_SAMPLES) == OECG_OK);
    CHECK(frame.sample_index == 0u && samples[0] == 0 && samples[N - 1u] == (int32_t)N - 1);
    sender.frame.sequence = UINT16_MAX;
    push(N);
    CHECK(oecg_sender_next(&sender, &ring, message, sizeof message) > 0u);
    CHECK(sender.frame.sequence == 0u && sender.frame.sample_index == N);
}

static void test_what_cannot_be_is_refused(void)
{
    CHECK(!oecg_ring_init(&ring, slots, 0u));
    CHECK(!oecg_ring_init(&ring, slots, 1u));
    CHECK(!oecg_ring_init(&ring, slots, 48u));
    start();
    CHECK(!oecg_sender_start(&sender, &ring, OECG_KIND_DATA_S16, 0u, 0u));
    CHECK(!oecg_sender_start(&sender, &ring, OECG_KIND_DATA_S32, 125u, 0u));
    CHECK(!oecg_sender_start(&sender, &ring, OECG_KIND_INFO, 1u, 0u));
    push(N);
    CHECK(oecg_sender_next(&sender, &ring, message, OECG_DATA_SIZE + 2u * N - 1u) == 0u);
    CHECK(next_frame()); /* nothing was taken out by the call before */
}

static void test_a_clipped_sample_sets_the_flag(void)
{
    const oecg_data head = {.kind = OECG_KIND_DATA_S24, .n_samples = 3u};
    const int32_t codes[] = {8388608, -8388608, OECG_INVALID};
    const size_t size = oecg_encode_data(&head, codes, message, sizeof message);
    CHECK(oecg_decode_data(message, size, &frame, samples, 2u) == OECG_NO_ROOM);
    CHECK(oecg_decode_data(message, size, &frame, samples, 3u) == OECG_OK);
    CHECK(frame.flags == OECG_FLAG_SATURATED);
    CHECK(samples[0] == 8388607 && samples[1] == -8388607 && samples[2] == OECG_INVALID);
}

static void test_the_crc_has_its_check_value(void)
{
    CHECK(oecg_crc16(OECG_CRC_INIT, (const uint8_t *)"123456789", 9u) == 0x29B1u);
    const uint8_t data[] = {0x11, 0x22, 0x00, 0x33};
    uint8_t out[8];
    oecg_cobs cobs = {out, 0u, 1u};
    oecg_cobs_put(&cobs, data, sizeof data);
    oecg_cobs_end_block(&cobs);
    CHECK(memcmp(out, "\x03\x11\x22\x02\x33", 5u) == 0 && cobs.code_at == 5u);
}

#define WIDE 65536u
#define BLOCK 40000u

static volatile oecg_sample wide_slots[WIDE];
static int32_t block[BLOCK];
static volatile sig_atomic_t interrupts;

/* The next interrupt in 40 to 440 us, so that it meets the consumer anywhere in its work. */
static int schedule_interrupt(void)
{
    const struct itimerval once = {{0, 0}, {0, 40 + (interrupts * 7919) % 400}};
    return setitimer(ITIMER_REAL, &once, NULL);
}

/* An interrupt that adds about as many samples as the ring has room for meanwhile. */
static void on_signal(int number)
{
    (void)number;
    interrupts++;
    push(10000u * (1u + (uint32_t)interrupts % 6u));
    (void)schedule_interrupt();
}

static void test_interrupts_at_any_instruction(void)
{
    CHECK(oecg_ring_init(&ring, wide_slots, WIDE));
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = on_signal;
    CHECK(sigaction(SIGALRM, &action, NULL) == 0);
    CHECK(schedule_interrupt() == 0);
    uint32_t blocks = 0;
    uint32_t next = 0;
    uint32_t overrun = 0;
    while (interrupts < 500 || blocks < 20u) {
        uint32_t first;
        uint32_t ticks;
        if (!oecg_ring_take(&ring, block, BLOCK, &first, &ticks)) {
            continue;
        }
        uint32_t wrong = ticks != 3u * (first + BLOCK - 1u);
        for (uint32_t i = 0; i < BLOCK; i++) {
            wrong += block[i] != (int32_t)((first + i) % 30000u);
        }
        CHECK(wrong == 0u);
        CHECK(first - next == ring.overrun - overrun);
        next = first + BLOCK;
        overrun = ring.overrun;
        blocks++;
    }
    const struct itimerval never = {{0, 0}, {0, 0}};
    CHECK(setitimer(ITIMER_REAL, &never, NULL) == 0);
    CHECK(ring.overrun > 0u);
    CHECK(blocks * BLOCK + ring.overrun + (ring.taken - ring.next) == ring.taken);
    printf("%lu blocks, %lu samples overwritten and counted, %d interrupts\n",
           (unsigned long)blocks, (unsigned long)ring.overrun, (int)interrupts);
}

int main(void)
{
    test_frames_follow_each_other();
    test_a_late_consumer_counts_what_was_overwritten();
    test_a_refused_frame_is_counted_and_never_renumbered();
    test_a_new_start_counts_from_zero();
    test_counters_wrap();
    test_what_cannot_be_is_refused();
    test_a_clipped_sample_sets_the_flag();
    test_the_crc_has_its_check_value();
    test_interrupts_at_any_instruction();
    return failures == 0 ? 0 : 1;
}
