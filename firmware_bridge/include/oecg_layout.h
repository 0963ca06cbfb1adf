/* Layout of OECG v1: codes, sizes, offsets, and the fixed part of every message.
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

#define OECG_MAJOR 1u
#define OECG_MINOR 0u
#define OECG_MAX_MESSAGE_BYTES 512u
#define OECG_CRC_POLY 0x1021u /* CRC-16/CCITT-FALSE */
#define OECG_CRC_INIT 0xFFFFu

/* UUIDs: as text, and as bytes in the order in which Bluetooth sends them. */
#define OECG_SERVICE_UUID "3ab80001-4039-4654-a85c-59699e26dc00"
#define OECG_SERVICE_UUID_BYTES \
    0x00, 0xdc, 0x26, 0x9e, 0x69, 0x59, 0x5c, 0xa8, 0x54, 0x46, 0x39, 0x40, 0x01, 0x00, 0xb8, 0x3a
#define OECG_INFO_UUID "3ab80002-4039-4654-a85c-59699e26dc00"
#define OECG_INFO_UUID_BYTES \
    0x00, 0xdc, 0x26, 0x9e, 0x69, 0x59, 0x5c, 0xa8, 0x54, 0x46, 0x39, 0x40, 0x02, 0x00, 0xb8, 0x3a
#define OECG_CONTROL_UUID "3ab80003-4039-4654-a85c-59699e26dc00"
#define OECG_CONTROL_UUID_BYTES \
    0x00, 0xdc, 0x26, 0x9e, 0x69, 0x59, 0x5c, 0xa8, 0x54, 0x46, 0x39, 0x40, 0x03, 0x00, 0xb8, 0x3a
#define OECG_DATA_UUID "3ab80004-4039-4654-a85c-59699e26dc00"
#define OECG_DATA_UUID_BYTES \
    0x00, 0xdc, 0x26, 0x9e, 0x69, 0x59, 0x5c, 0xa8, 0x54, 0x46, 0x39, 0x40, 0x04, 0x00, 0xb8, 0x3a
#define OECG_STATUS_UUID "3ab80005-4039-4654-a85c-59699e26dc00"
#define OECG_STATUS_UUID_BYTES \
    0x00, 0xdc, 0x26, 0x9e, 0x69, 0x59, 0x5c, 0xa8, 0x54, 0x46, 0x39, 0x40, 0x05, 0x00, 0xb8, 0x3a

/* Low four bits of a message's first byte; the high four are the major version. 3 to 7 are for
 * further sample encodings, 12 to 15 for further messages. */
#define OECG_KIND_DATA_S16 0x00u /* frame of 16-bit samples */
#define OECG_KIND_DATA_S24 0x01u /* frame of 24-bit samples */
#define OECG_KIND_DATA_S32 0x02u /* frame of 32-bit samples */
#define OECG_KIND_INFO 0x08u /* what the stream is */
#define OECG_KIND_STATUS 0x09u /* how the device is */
#define OECG_KIND_COMMAND 0x0Au /* host to device */
#define OECG_KIND_RESPONSE 0x0Bu /* device to host */

/* Bits of `flags`. In a frame, what held at any of its samples. */
#define OECG_FLAG_LEAD_OFF 0x01u /* an electrode was off during the frame */
#define OECG_FLAG_SATURATED 0x02u /* a sample is at the converter's limit */
#define OECG_FLAG_CLOCK_RESET 0x04u /* ticks restarted before this frame */
#define OECG_FLAG_LOW_BATTERY 0x08u /* the device will stop soon */
#define OECG_FLAG_GAP_BEFORE 0x10u /* the firmware lost samples directly before this frame */

/* Bits of `features`. Without its bit, a flag says nothing when it is 0. */
#define OECG_FEATURE_LEAD_OFF_DETECTION 0x01u /* `lead_off` is measured */
#define OECG_FEATURE_SATURATION_DETECTION 0x02u /* `saturated` is measured */
#define OECG_FEATURE_BATTERY_LEVEL 0x04u /* `low_battery` and `battery_percent` are measured */
#define OECG_FEATURE_UNENCRYPTED 0x8000u /* an open build: anyone in reach can read the stream */

/* The lead. Receivers treat an unknown code as `other`. */
#define OECG_LEAD_OTHER 0x00u /* none of these, or not known */
#define OECG_LEAD_I 0x01u /* left arm against right arm; wrist and finger devices */
#define OECG_LEAD_II 0x02u /* left leg against right arm */
#define OECG_LEAD_III 0x03u /* left leg against left arm */
#define OECG_LEAD_AVR 0x04u /* augmented, right arm */
#define OECG_LEAD_AVL 0x05u /* augmented, left arm */
#define OECG_LEAD_AVF 0x06u /* augmented, left leg */
#define OECG_LEAD_V1 0x07u /* precordial */
#define OECG_LEAD_V2 0x08u /* precordial */
#define OECG_LEAD_V3 0x09u /* precordial */
#define OECG_LEAD_V4 0x0Au /* precordial */
#define OECG_LEAD_V5 0x0Bu /* precordial */
#define OECG_LEAD_V6 0x0Cu /* precordial */
#define OECG_LEAD_CHEST 0x0Du /* two electrodes on the chest; straps and patches */

/* What a command asks for. */
#define OECG_OP_GET_INFO 0x01u /* send an info message, and answer */
#define OECG_OP_START 0x02u /* stream from sample index 0; a stream that runs starts anew */
#define OECG_OP_STOP 0x03u /* end the stream; no error when there is none */

/* `result` of a response. */
#define OECG_RESULT_OK 0x00u /* done */
#define OECG_RESULT_UNKNOWN_OP 0x01u /* this firmware does not know the command */
#define OECG_RESULT_MALFORMED 0x02u /* the command cannot be read */
#define OECG_RESULT_BUSY 0x03u /* the device streams to another host */
#define OECG_RESULT_NOT_READY 0x04u /* the device starts up, charges or lacks electrodes */
#define OECG_RESULT_LOW_BATTERY 0x05u /* the battery is empty */
#define OECG_RESULT_INTERNAL 0x06u /* the device met a fault of its own */

/* Optional fields at the end of a message: type, length, then `length` bytes. Receivers skip the
 * types they do not know. */
#define OECG_TLV_MAKER 0x01u /* UTF-8 */
#define OECG_TLV_MODEL 0x02u /* UTF-8 */
#define OECG_TLV_FIRMWARE 0x03u /* UTF-8, version of the firmware */

#define OECG_DATA_S16_BYTES 2u
#define OECG_DATA_S24_BYTES 3u
#define OECG_DATA_S32_BYTES 4u

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

/* A frame of consecutive samples of one lead. The samples follow the header: little-endian two's
 * complement, 2, 3 or 4 bytes each by `kind`; the lowest code of the type marks an invalid
 * sample. */
typedef struct {
    uint8_t kind; /* major version and sample encoding */
    uint8_t flags; /* what the device says about these samples */
    /* frames handed to the link since START; wraps. A step above 1 is loss on the link */
    uint16_t sequence;
    /* samples taken since START, before the first of this frame; wraps. Never renumbered,
     * whatever is lost */
    uint32_t sample_index;
    uint32_t ticks; /* the device's clock at the last sample; wraps */
    uint16_t overrun; /* samples that the firmware itself has lost since START; wraps */
    uint8_t n_samples; /* samples in this frame */
    uint8_t config_id; /* the info message that describes these samples */
} oecg_data;

#define OECG_DATA_SIZE 16u
OECG_STATIC_ASSERT(sizeof(oecg_data) == 16, data_size);
OECG_STATIC_ASSERT(offsetof(oecg_data, kind) == 0, data_kind);
OECG_STATIC_ASSERT(offsetof(oecg_data, flags) == 1, data_flags);
OECG_STATIC_ASSERT(offsetof(oecg_data, sequence) == 2, data_sequence);
OECG_STATIC_ASSERT(offsetof(oecg_data, sample_index) == 4, data_sample_index);
OECG_STATIC_ASSERT(offsetof(oecg_data, ticks) == 8, data_ticks);
OECG_STATIC_ASSERT(offsetof(oecg_data, overrun) == 12, data_overrun);
OECG_STATIC_ASSERT(offsetof(oecg_data, n_samples) == 14, data_n_samples);
OECG_STATIC_ASSERT(offsetof(oecg_data, config_id) == 15, data_config_id);

static inline void oecg_put_data(uint8_t *at, const oecg_data *data)
{
    oecg_put_u8(at + 0, data->kind);
    oecg_put_u8(at + 1, data->flags);
    oecg_put_u16(at + 2, data->sequence);
    oecg_put_u32(at + 4, data->sample_index);
    oecg_put_u32(at + 8, data->ticks);
    oecg_put_u16(at + 12, data->overrun);
    oecg_put_u8(at + 14, data->n_samples);
    oecg_put_u8(at + 15, data->config_id);
}

static inline void oecg_get_data(const uint8_t *at, oecg_data *data)
{
    data->kind = oecg_get_u8(at + 0);
    data->flags = oecg_get_u8(at + 1);
    data->sequence = oecg_get_u16(at + 2);
    data->sample_index = oecg_get_u32(at + 4);
    data->ticks = oecg_get_u32(at + 8);
    data->overrun = oecg_get_u16(at + 12);
    data->n_samples = oecg_get_u8(at + 14);
    data->config_id = oecg_get_u8(at + 15);
}

/* Whether every field lies within its limits. n_samples: 1 to 255 */
static inline int oecg_data_valid(const oecg_data *data)
{
    return data->n_samples >= 1u;
}

/* What the stream is. Any change of rate, scale, lead or clock takes a new `config_id`. */
typedef struct {
    uint8_t kind; /* major version and message */
    uint8_t minor; /* minor version of the sender */
    uint8_t config_id; /* the frames that this describes */
    uint8_t lead; /* the lead */
    uint32_t rate_millihz; /* nominal sampling rate, in 1/1000 Hz */
    uint32_t lsb_pv; /* one step of a sample, in picovolts at the electrodes */
    uint32_t ticks_per_s; /* rate of the device's clock, in Hz; 32768 is usual */
    uint16_t features; /* which flags mean something */
    uint8_t max_samples; /* most samples in a frame */
    uint8_t reserved; /* sent as 0, not read */
} oecg_info;

#define OECG_INFO_SIZE 20u
OECG_STATIC_ASSERT(sizeof(oecg_info) == 20, info_size);
OECG_STATIC_ASSERT(offsetof(oecg_info, kind) == 0, info_kind);
OECG_STATIC_ASSERT(offsetof(oecg_info, minor) == 1, info_minor);
OECG_STATIC_ASSERT(offsetof(oecg_info, config_id) == 2, info_config_id);
OECG_STATIC_ASSERT(offsetof(oecg_info, lead) == 3, info_lead);
OECG_STATIC_ASSERT(offsetof(oecg_info, rate_millihz) == 4, info_rate_millihz);
OECG_STATIC_ASSERT(offsetof(oecg_info, lsb_pv) == 8, info_lsb_pv);
OECG_STATIC_ASSERT(offsetof(oecg_info, ticks_per_s) == 12, info_ticks_per_s);
OECG_STATIC_ASSERT(offsetof(oecg_info, features) == 16, info_features);
OECG_STATIC_ASSERT(offsetof(oecg_info, max_samples) == 18, info_max_samples);
OECG_STATIC_ASSERT(offsetof(oecg_info, reserved) == 19, info_reserved);

static inline void oecg_put_info(uint8_t *at, const oecg_info *info)
{
    oecg_put_u8(at + 0, info->kind);
    oecg_put_u8(at + 1, info->minor);
    oecg_put_u8(at + 2, info->config_id);
    oecg_put_u8(at + 3, info->lead);
    oecg_put_u32(at + 4, info->rate_millihz);
    oecg_put_u32(at + 8, info->lsb_pv);
    oecg_put_u32(at + 12, info->ticks_per_s);
    oecg_put_u16(at + 16, info->features);
    oecg_put_u8(at + 18, info->max_samples);
    oecg_put_u8(at + 19, info->reserved);
}

static inline void oecg_get_info(const uint8_t *at, oecg_info *info)
{
    info->kind = oecg_get_u8(at + 0);
    info->minor = oecg_get_u8(at + 1);
    info->config_id = oecg_get_u8(at + 2);
    info->lead = oecg_get_u8(at + 3);
    info->rate_millihz = oecg_get_u32(at + 4);
    info->lsb_pv = oecg_get_u32(at + 8);
    info->ticks_per_s = oecg_get_u32(at + 12);
    info->features = oecg_get_u16(at + 16);
    info->max_samples = oecg_get_u8(at + 18);
    info->reserved = oecg_get_u8(at + 19);
}

/* Whether every field lies within its limits. rate_millihz: 1000 to 16000000, lsb_pv: 1 to
 * 4294967295, ticks_per_s: 1 to 1000000, max_samples: 1 to 255 */
static inline int oecg_info_valid(const oecg_info *info)
{
    return info->rate_millihz >= 1000u &&
           info->rate_millihz <= 16000000u &&
           info->lsb_pv >= 1u &&
           info->ticks_per_s >= 1u &&
           info->ticks_per_s <= 1000000u &&
           info->max_samples >= 1u;
}

/* How the device is. */
typedef struct {
    uint8_t kind; /* major version and message */
    uint8_t flags; /* as in a frame, at this moment */
    uint8_t battery_percent; /* 0 to 100; 255 is unknown */
    uint8_t config_id; /* the configuration in force */
    uint32_t sample_index; /* samples taken since START; wraps */
    uint32_t overrun; /* samples that the firmware itself has lost since START */
    uint32_t refused; /* frames that the link did not take, since START */
} oecg_status;

#define OECG_STATUS_SIZE 16u
OECG_STATIC_ASSERT(sizeof(oecg_status) == 16, status_size);
OECG_STATIC_ASSERT(offsetof(oecg_status, kind) == 0, status_kind);
OECG_STATIC_ASSERT(offsetof(oecg_status, flags) == 1, status_flags);
OECG_STATIC_ASSERT(offsetof(oecg_status, battery_percent) == 2, status_battery_percent);
OECG_STATIC_ASSERT(offsetof(oecg_status, config_id) == 3, status_config_id);
OECG_STATIC_ASSERT(offsetof(oecg_status, sample_index) == 4, status_sample_index);
OECG_STATIC_ASSERT(offsetof(oecg_status, overrun) == 8, status_overrun);
OECG_STATIC_ASSERT(offsetof(oecg_status, refused) == 12, status_refused);

static inline void oecg_put_status(uint8_t *at, const oecg_status *status)
{
    oecg_put_u8(at + 0, status->kind);
    oecg_put_u8(at + 1, status->flags);
    oecg_put_u8(at + 2, status->battery_percent);
    oecg_put_u8(at + 3, status->config_id);
    oecg_put_u32(at + 4, status->sample_index);
    oecg_put_u32(at + 8, status->overrun);
    oecg_put_u32(at + 12, status->refused);
}

static inline void oecg_get_status(const uint8_t *at, oecg_status *status)
{
    status->kind = oecg_get_u8(at + 0);
    status->flags = oecg_get_u8(at + 1);
    status->battery_percent = oecg_get_u8(at + 2);
    status->config_id = oecg_get_u8(at + 3);
    status->sample_index = oecg_get_u32(at + 4);
    status->overrun = oecg_get_u32(at + 8);
    status->refused = oecg_get_u32(at + 12);
}

/* Whether every field lies within its limits. There are none. */
static inline int oecg_status_valid(const oecg_status *status)
{
    (void)status;
    return 1;
}

/* Host to device. A device answers every command it can read, with the same `ref`. */
typedef struct {
    uint8_t kind; /* major version and message */
    uint8_t op; /* what is asked for */
    uint8_t ref; /* chosen by the host */
    uint8_t reserved; /* sent as 0, not read */
} oecg_command;

#define OECG_COMMAND_SIZE 4u
OECG_STATIC_ASSERT(sizeof(oecg_command) == 4, command_size);
OECG_STATIC_ASSERT(offsetof(oecg_command, kind) == 0, command_kind);
OECG_STATIC_ASSERT(offsetof(oecg_command, op) == 1, command_op);
OECG_STATIC_ASSERT(offsetof(oecg_command, ref) == 2, command_ref);
OECG_STATIC_ASSERT(offsetof(oecg_command, reserved) == 3, command_reserved);

static inline void oecg_put_command(uint8_t *at, const oecg_command *command)
{
    oecg_put_u8(at + 0, command->kind);
    oecg_put_u8(at + 1, command->op);
    oecg_put_u8(at + 2, command->ref);
    oecg_put_u8(at + 3, command->reserved);
}

static inline void oecg_get_command(const uint8_t *at, oecg_command *command)
{
    command->kind = oecg_get_u8(at + 0);
    command->op = oecg_get_u8(at + 1);
    command->ref = oecg_get_u8(at + 2);
    command->reserved = oecg_get_u8(at + 3);
}

/* Whether every field lies within its limits. ref: 1 to 255 */
static inline int oecg_command_valid(const oecg_command *command)
{
    return command->ref >= 1u;
}

/* Device to host. With `ref` 0 and op `stop` the device says that it ended the stream itself;
 * `result` says why. */
typedef struct {
    uint8_t kind; /* major version and message */
    uint8_t op; /* the command's op */
    uint8_t ref; /* the command's ref; 0 where there was no command */
    uint8_t result; /* 0 is success */
} oecg_response;

#define OECG_RESPONSE_SIZE 4u
OECG_STATIC_ASSERT(sizeof(oecg_response) == 4, response_size);
OECG_STATIC_ASSERT(offsetof(oecg_response, kind) == 0, response_kind);
OECG_STATIC_ASSERT(offsetof(oecg_response, op) == 1, response_op);
OECG_STATIC_ASSERT(offsetof(oecg_response, ref) == 2, response_ref);
OECG_STATIC_ASSERT(offsetof(oecg_response, result) == 3, response_result);

static inline void oecg_put_response(uint8_t *at, const oecg_response *response)
{
    oecg_put_u8(at + 0, response->kind);
    oecg_put_u8(at + 1, response->op);
    oecg_put_u8(at + 2, response->ref);
    oecg_put_u8(at + 3, response->result);
}

static inline void oecg_get_response(const uint8_t *at, oecg_response *response)
{
    response->kind = oecg_get_u8(at + 0);
    response->op = oecg_get_u8(at + 1);
    response->ref = oecg_get_u8(at + 2);
    response->result = oecg_get_u8(at + 3);
}

/* Whether every field lies within its limits. There are none. */
static inline int oecg_response_valid(const oecg_response *response)
{
    (void)response;
    return 1;
}

#endif /* OECG_LAYOUT_H */
