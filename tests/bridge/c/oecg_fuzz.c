/* For libFuzzer: whatever the bytes, no read or write goes astray, and what a decoder takes an
 * encoder gives back. The first byte chooses what the others are. */
#include <stdlib.h>
#include <string.h>

#include "oecg.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int condition)
{
    if (!condition) {
        abort();
    }
}

static void require_same(const uint8_t *made, size_t used, const uint8_t *message, size_t size)
{
    require(used == size && memcmp(made, message, size) == 0);
}

static size_t add_tlvs(const uint8_t *message, size_t size, size_t at, uint8_t *out, size_t used)
{
    oecg_tlv tlv;
    while ((at = oecg_next_tlv(message, size, at, &tlv)) != 0u) {
        used = oecg_add_tlv(out, used, OECG_MAX_MESSAGE_BYTES, tlv.type, tlv.value, tlv.length);
    }
    return used;
}

#define RECODE(name, NAME)                                                                         \
    do {                                                                                           \
        oecg_##name fields;                                                                        \
        if (oecg_decode_##name(message, size, &fields) == OECG_OK) {                               \
            size_t used = oecg_encode_##name(&fields, out, sizeof out);                            \
            used = add_tlvs(message, size, OECG_##NAME##_SIZE, out, used);                         \
            require_same(out, used, message, size);                                                \
        }                                                                                          \
    } while (0)

static void fuzz_message(const uint8_t *message, size_t size)
{
    uint8_t out[OECG_MAX_MESSAGE_BYTES];
    oecg_data frame;
    int32_t samples[OECG_MAX_SAMPLES];
    if (oecg_decode_data(message, size, &frame, samples, OECG_MAX_SAMPLES) == OECG_OK) {
        require_same(out, oecg_encode_data(&frame, samples, out, sizeof out), message, size);
    }
    (void)oecg_decode_data(message, size, &frame, samples, 3u);
    RECODE(info, INFO);
    RECODE(status, STATUS);
    RECODE(command, COMMAND);
    RECODE(response, RESPONSE);
}

static void fuzz_serial(const uint8_t *message, size_t size)
{
    static oecg_deframer deframer;
    uint8_t out[OECG_SERIAL_BYTES(OECG_MAX_MESSAGE_BYTES)];
    const size_t used = oecg_to_serial(message, size, out, sizeof out);
    require((used > 0u) == (size > 0u && size <= OECG_MAX_MESSAGE_BYTES));
    memset(&deframer, 0xFF, sizeof deframer); /* in the midst of a frame too long */
    (void)oecg_deframe(&deframer, 0u);
    for (size_t i = 0; i < used; i++) {
        const int found = oecg_deframe(&deframer, out[i]);
        require((found != 0) == (i + 1u == used) && (found == 0 || (size_t)found == size));
    }
    require(used == 0u || memcmp(deframer.message, message, size) == 0);
}

static void fuzz_stream(const uint8_t *bytes, size_t size)
{
    static oecg_deframer deframer;
    memset(&deframer, 0, sizeof deframer);
    for (size_t i = 0; i < size; i++) {
        const int found = oecg_deframe(&deframer, bytes[i]);
        if (found > 0) {
            fuzz_message(deframer.message, (size_t)found);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0u) {
        return 0;
    }
    switch (data[0] & 3u) {
    case 0u:
        fuzz_serial(data + 1u, size - 1u);
        break;
    case 1u:
        fuzz_stream(data + 1u, size - 1u);
        break;
    default:
        fuzz_message(data + 1u, size - 1u);
    }
    return 0;
}
