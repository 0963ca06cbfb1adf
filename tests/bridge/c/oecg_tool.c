/* One request a line on standard input, one answer a line: what the C side makes of a message.
 *
 *   decode HEX     its fields, or "refused"
 *   recode HEX     decoded and encoded again, or "refused"
 *   serial HEX     the message as it goes over a byte stream, or "refused"
 *   stream HEX     the messages in a byte stream, "refused" for each damaged one
 *   encode ENCODING FLAGS SEQUENCE INDEX TICKS OVERRUN CONFIG_ID SAMPLE...
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "oecg.h"

#define MAX_LINE 65536

static size_t from_hex(const char *text, uint8_t *out)
{
    size_t size = 0;
    unsigned byte;
    while (sscanf(text + 2 * size, "%2x", &byte) == 1) {
        out[size++] = (uint8_t)byte;
    }
    return size;
}

static void print_hex(const uint8_t *data, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        printf("%02x", (unsigned)data[i]);
    }
}

static void print_tlvs(const uint8_t *message, size_t size, size_t at)
{
    oecg_tlv tlv;
    while ((at = oecg_next_tlv(message, size, at, &tlv)) != 0u) {
        printf(" %u:", (unsigned)tlv.type);
        print_hex(tlv.value, tlv.length);
    }
}

static void decode(const uint8_t *message, size_t size)
{
    oecg_data frame;
    oecg_info info;
    oecg_status status;
    oecg_command command;
    oecg_response response;
    int32_t samples[OECG_MAX_SAMPLES];

    if (oecg_decode_data(message, size, &frame, samples, OECG_MAX_SAMPLES) == OECG_OK) {
        printf("data %u %u %u %lu %lu %u %u", (unsigned)frame.kind, (unsigned)frame.flags,
               (unsigned)frame.sequence, (unsigned long)frame.sample_index,
               (unsigned long)frame.ticks, (unsigned)frame.overrun, (unsigned)frame.config_id);
        for (size_t i = 0; i < frame.n_samples; i++) {
            printf(" %ld", (long)samples[i]);
        }
    } else if (oecg_decode_info(message, size, &info) == OECG_OK) {
        printf("info %u %lu %lu %lu %u %u %u %u", (unsigned)info.config_id,
               (unsigned long)info.rate_millihz, (unsigned long)info.lsb_pv,
               (unsigned long)info.ticks_per_s, (unsigned)info.lead, (unsigned)info.features,
               (unsigned)info.max_samples, (unsigned)info.minor);
        print_tlvs(message, size, OECG_INFO_SIZE);
    } else if (oecg_decode_status(message, size, &status) == OECG_OK) {
        printf("status %u %u %u %lu %lu %lu", (unsigned)status.flags,
               (unsigned)status.battery_percent, (unsigned)status.config_id,
               (unsigned long)status.sample_index, (unsigned long)status.overrun,
               (unsigned long)status.refused);
        print_tlvs(message, size, OECG_STATUS_SIZE);
    } else if (oecg_decode_command(message, size, &command) == OECG_OK) {
        printf("command %u %u", (unsigned)command.op, (unsigned)command.ref);
        print_tlvs(message, size, OECG_COMMAND_SIZE);
    } else if (oecg_decode_response(message, size, &response) == OECG_OK) {
        printf("response %u %u %u", (unsigned)response.op, (unsigned)response.ref,
               (unsigned)response.result);
        print_tlvs(message, size, OECG_RESPONSE_SIZE);
    } else {
        printf("refused");
    }
}

static size_t add_tlvs(const uint8_t *message, size_t size, size_t at, uint8_t *out, size_t used)
{
    oecg_tlv tlv;
    while ((at = oecg_next_tlv(message, size, at, &tlv)) != 0u) {
        used = oecg_add_tlv(out, used, OECG_MAX_MESSAGE_BYTES, tlv.type, tlv.value, tlv.length);
    }
    return used;
}

static void recode(const uint8_t *message, size_t size)
{
    uint8_t out[OECG_MAX_MESSAGE_BYTES];
    size_t used = 0;
    oecg_data frame;
    oecg_info info;
    oecg_status status;
    oecg_command command;
    oecg_response response;
    int32_t samples[OECG_MAX_SAMPLES];

    if (oecg_decode_data(message, size, &frame, samples, OECG_MAX_SAMPLES) == OECG_OK) {
        used = oecg_encode_data(&frame, samples, out, sizeof out);
    } else if (oecg_decode_info(message, size, &info) == OECG_OK) {
        used = oecg_encode_info(&info, out, sizeof out);
        used = add_tlvs(message, size, OECG_INFO_SIZE, out, used);
    } else if (oecg_decode_status(message, size, &status) == OECG_OK) {
        used = oecg_encode_status(&status, out, sizeof out);
        used = add_tlvs(message, size, OECG_STATUS_SIZE, out, used);
    } else if (oecg_decode_command(message, size, &command) == OECG_OK) {
        used = oecg_encode_command(&command, out, sizeof out);
        used = add_tlvs(message, size, OECG_COMMAND_SIZE, out, used);
    } else if (oecg_decode_response(message, size, &response) == OECG_OK) {
        used = oecg_encode_response(&response, out, sizeof out);
        used = add_tlvs(message, size, OECG_RESPONSE_SIZE, out, used);
    }
    print_hex(out, used);
    printf("%s", used == 0u ? "refused" : "");
}

static void encode(char *text)
{
    unsigned long fields[7];
    for (size_t i = 0; i < 7; i++) {
        fields[i] = strtoul(text, &text, 10);
    }
    int32_t samples[OECG_MAX_SAMPLES];
    uint8_t n = 0;
    for (char *end; n < OECG_MAX_SAMPLES; n++, text = end) {
        samples[n] = (int32_t)strtol(text, &end, 10);
        if (end == text) {
            break;
        }
    }
    const oecg_data frame = {.kind = (uint8_t)fields[0],
                             .flags = (uint8_t)fields[1],
                             .sequence = (uint16_t)fields[2],
                             .sample_index = (uint32_t)fields[3],
                             .ticks = (uint32_t)fields[4],
                             .overrun = (uint16_t)fields[5],
                             .n_samples = n,
                             .config_id = (uint8_t)fields[6]};
    uint8_t out[OECG_MAX_MESSAGE_BYTES];
    const size_t size = oecg_encode_data(&frame, samples, out, sizeof out);
    print_hex(out, size);
    printf("%s", size == 0u ? "refused" : "");
}

static void stream(const uint8_t *bytes, size_t size)
{
    static oecg_deframer deframer;
    memset(&deframer, 0, sizeof deframer);
    for (size_t i = 0; i < size; i++) {
        const int found = oecg_deframe(&deframer, bytes[i]);
        if (found > 0) {
            print_hex(deframer.message, (size_t)found);
        }
        printf("%s", found > 0 ? " " : found < 0 ? "refused " : "");
    }
}

int main(void)
{
    static char line[MAX_LINE];
    static uint8_t bytes[MAX_LINE / 2];
    static uint8_t out[OECG_SERIAL_BYTES(OECG_MAX_MESSAGE_BYTES)];

    while (fgets(line, sizeof line, stdin) != NULL) {
        const size_t size = from_hex(line + 7, bytes);
        /* A copy of the exact size lets the sanitizer see a read beyond the message. */
        uint8_t *message = malloc(size > 0u ? size : 1u);
        if (message == NULL) {
            return 1;
        }
        memcpy(message, bytes, size);
        if (strncmp(line, "decode ", 7) == 0) {
            decode(message, size);
        } else if (strncmp(line, "recode ", 7) == 0) {
            recode(message, size);
        } else if (strncmp(line, "stream ", 7) == 0) {
            stream(message, size);
        } else if (strncmp(line, "encode ", 7) == 0) {
            encode(line + 7);
        } else if (strncmp(line, "serial ", 7) == 0) {
            const size_t used = oecg_to_serial(message, size, out, sizeof out);
            print_hex(out, used);
            printf("%s", used == 0u ? "refused" : "");
        }
        printf("\n");
        fflush(stdout);
        free(message);
    }
    return 0;
}
