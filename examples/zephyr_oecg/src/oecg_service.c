/* The OECG service, for one host at a time. All that sends runs on one work queue, so the sender
 * needs no lock: the converter's interrupt only pushes into the ring, Bluetooth's thread only
 * queues commands. (A read of the status looks at the sender's counters, which may be a frame
 * apart.)
 * SPDX-License-Identifier: MIT
 */
#include <errno.h>

#include <zephyr/bluetooth/bluetooth.h>
#include <zephyr/bluetooth/conn.h>
#include <zephyr/bluetooth/gatt.h>
#include <zephyr/bluetooth/uuid.h>
#include <zephyr/kernel.h>
#include <zephyr/sys/atomic.h>

#include "oecg.h"
#include "oecg_service.h"

#define RATE_MILLIHZ 250000u
#define LSB_PV 1000000u /* 1 uV: what the converter's gain makes of one step */
#define SAMPLES_PER_FRAME 64u
#define CONFIG_ID 1u
#define STATUS_PERIOD K_SECONDS(10)
#define ATT_HEADER_BYTES 3u

#ifdef CONFIG_OECG_UNENCRYPTED
#define READ_PERM BT_GATT_PERM_READ
#define WRITE_PERM BT_GATT_PERM_WRITE
#define FEATURES (OECG_FEATURE_LEAD_OFF_DETECTION | OECG_FEATURE_UNENCRYPTED)
#else
#define READ_PERM BT_GATT_PERM_READ_ENCRYPT
#define WRITE_PERM BT_GATT_PERM_WRITE_ENCRYPT
#define FEATURES OECG_FEATURE_LEAD_OFF_DETECTION
#endif

static const struct bt_uuid_128 service_uuid = BT_UUID_INIT_128(OECG_SERVICE_UUID_BYTES);
static const struct bt_uuid_128 info_uuid = BT_UUID_INIT_128(OECG_INFO_UUID_BYTES);
static const struct bt_uuid_128 control_uuid = BT_UUID_INIT_128(OECG_CONTROL_UUID_BYTES);
static const struct bt_uuid_128 data_uuid = BT_UUID_INIT_128(OECG_DATA_UUID_BYTES);
static const struct bt_uuid_128 status_uuid = BT_UUID_INIT_128(OECG_STATUS_UUID_BYTES);

static volatile oecg_sample slots[512]; /* 2 s at 250 Hz */
static oecg_ring ring;
static oecg_sender sender; /* the work queue's alone, as is `streaming` */
static bool streaming;
static atomic_t lead_off;

/* A command, and how long a notification to the host that gave it can be. */
struct request {
    oecg_command command;
    uint16_t payload;
};

static K_THREAD_STACK_DEFINE(stack, 2048);
static struct k_work_q queue;

static void send_frames(struct k_work *work);
static void obey_commands(struct k_work *work);
static void stop_streaming(struct k_work *work);
static void send_status(struct k_work *work);
static K_WORK_DEFINE(frames_work, send_frames);
static K_WORK_DEFINE(commands_work, obey_commands);
static K_WORK_DEFINE(stop_work, stop_streaming);
static K_WORK_DELAYABLE_DEFINE(status_work, send_status);

/* Commands from Bluetooth's thread to the work queue. */
K_MSGQ_DEFINE(requests, sizeof(struct request), 4, 2);

static size_t encode_info(uint8_t *out, size_t capacity)
{
    const oecg_info info = {
        .minor = OECG_MINOR,
        .config_id = CONFIG_ID,
        .lead = OECG_LEAD_CHEST,
        .rate_millihz = RATE_MILLIHZ,
        .lsb_pv = LSB_PV,
        .ticks_per_s = CONFIG_SYS_CLOCK_TICKS_PER_SEC,
        .features = FEATURES,
        .max_samples = SAMPLES_PER_FRAME,
    };
    return oecg_encode_info(&info, out, capacity);
}

static ssize_t read_info(struct bt_conn *conn, const struct bt_gatt_attr *attr, void *buf,
                         uint16_t len, uint16_t offset)
{
    uint8_t message[OECG_INFO_SIZE];
    const size_t size = encode_info(message, sizeof message);
    return bt_gatt_attr_read(conn, attr, buf, len, offset, message, (uint16_t)size);
}

static ssize_t read_status(struct bt_conn *conn, const struct bt_gatt_attr *attr, void *buf,
                           uint16_t len, uint16_t offset)
{
    uint8_t message[OECG_STATUS_SIZE];
    const oecg_status status = oecg_sender_status(&sender, &ring, UINT8_MAX);
    const size_t size = oecg_encode_status(&status, message, sizeof message);
    return bt_gatt_attr_read(conn, attr, buf, len, offset, message, (uint16_t)size);
}

static ssize_t write_control(struct bt_conn *conn, const struct bt_gatt_attr *attr, const void *buf,
                             uint16_t len, uint16_t offset, uint8_t flags)
{
    ARG_UNUSED(attr);
    ARG_UNUSED(flags);
    struct request request = {.payload = (uint16_t)(bt_gatt_get_mtu(conn) - ATT_HEADER_BYTES)};
    if (offset != 0u || oecg_decode_command(buf, len, &request.command) != OECG_OK) {
        return BT_GATT_ERR(BT_ATT_ERR_VALUE_NOT_ALLOWED);
    }
    if (k_msgq_put(&requests, &request, K_NO_WAIT) != 0) {
        return BT_GATT_ERR(BT_ATT_ERR_INSUFFICIENT_RESOURCES);
    }
    (void)k_work_submit_to_queue(&queue, &commands_work);
    return (ssize_t)len;
}

#define READ_NOTIFY (BT_GATT_CHRC_READ | BT_GATT_CHRC_NOTIFY)
#define WRITE_INDICATE (BT_GATT_CHRC_WRITE | BT_GATT_CHRC_INDICATE)

BT_GATT_SERVICE_DEFINE(
    oecg_svc, BT_GATT_PRIMARY_SERVICE(&service_uuid),
    BT_GATT_CHARACTERISTIC(&info_uuid.uuid, READ_NOTIFY, READ_PERM, read_info, NULL, NULL),
    BT_GATT_CCC(NULL, READ_PERM | WRITE_PERM),
    BT_GATT_CHARACTERISTIC(&control_uuid.uuid, WRITE_INDICATE, WRITE_PERM, NULL, write_control,
                           NULL),
    BT_GATT_CCC(NULL, READ_PERM | WRITE_PERM),
    BT_GATT_CHARACTERISTIC(&data_uuid.uuid, BT_GATT_CHRC_NOTIFY, BT_GATT_PERM_NONE, NULL, NULL,
                           NULL),
    BT_GATT_CCC(NULL, READ_PERM | WRITE_PERM),
    BT_GATT_CHARACTERISTIC(&status_uuid.uuid, READ_NOTIFY, READ_PERM, read_status, NULL, NULL),
    BT_GATT_CCC(NULL, READ_PERM | WRITE_PERM));

static int notify(const struct bt_uuid *uuid, const uint8_t *message, size_t size)
{
    return bt_gatt_notify_uuid(NULL, uuid, oecg_svc.attrs, message, (uint16_t)size);
}

static uint8_t frame[OECG_MAX_MESSAGE_BYTES];
static size_t frame_size; /* of a frame that waits for room in the stack; 0: none does */

static void send_frames(struct k_work *work)
{
    ARG_UNUSED(work);
    if (atomic_get(&lead_off)) {
        oecg_sender_flag(&sender, OECG_FLAG_LEAD_OFF);
    }
    while (streaming) {
        if (frame_size == 0u) {
            frame_size = oecg_sender_next(&sender, &ring, frame, sizeof frame);
            if (frame_size == 0u) {
                return;
            }
        }
        const int error = notify(&data_uuid.uuid, frame, frame_size);
        if (error == -ENOMEM) {
            return; /* again at the next sample; meanwhile the ring takes up what comes */
        }
        if (error != 0) {
            oecg_sender_refused(&sender);
        }
        frame_size = 0u;
    }
}

static void send_status(struct k_work *work)
{
    ARG_UNUSED(work);
    uint8_t message[OECG_STATUS_SIZE];
    const oecg_status status = oecg_sender_status(&sender, &ring, UINT8_MAX);
    const size_t size = oecg_encode_status(&status, message, sizeof message);
    if (streaming) {
        (void)notify(&status_uuid.uuid, message, size);
        (void)k_work_schedule_for_queue(&queue, &status_work, STATUS_PERIOD);
    }
}

static void stop_streaming(struct k_work *work)
{
    ARG_UNUSED(work);
    streaming = false;
    (void)k_work_cancel_delayable(&status_work);
}

/* Frames as long as the link carries, within what the info message promises. */
static uint8_t samples_per_frame(uint32_t payload)
{
    if (payload < OECG_DATA_SIZE + OECG_DATA_S16_BYTES) {
        return 0u;
    }
    const uint32_t fit = (payload - OECG_DATA_SIZE) / OECG_DATA_S16_BYTES;
    return (uint8_t)(fit < SAMPLES_PER_FRAME ? fit : SAMPLES_PER_FRAME);
}

static uint8_t obey(const struct request *request)
{
    uint8_t message[OECG_INFO_SIZE];
    switch (request->command.op) {
    case OECG_OP_GET_INFO:
        (void)notify(&info_uuid.uuid, message, encode_info(message, sizeof message));
        return OECG_RESULT_OK;
    case OECG_OP_START:
        frame_size = 0u;
        streaming = oecg_sender_start(&sender, &ring, OECG_KIND_DATA_S16,
                                      samples_per_frame(request->payload), CONFIG_ID) != 0;
        if (streaming) {
            (void)k_work_schedule_for_queue(&queue, &status_work, STATUS_PERIOD);
        }
        return streaming ? OECG_RESULT_OK : OECG_RESULT_NOT_READY;
    case OECG_OP_STOP:
        stop_streaming(NULL);
        return OECG_RESULT_OK;
    default:
        return OECG_RESULT_UNKNOWN_OP;
    }
}

/* An indication's bytes must stay until it is confirmed: one at a time. */
static struct bt_gatt_indicate_params answer;
static uint8_t answer_bytes[OECG_RESPONSE_SIZE];
static atomic_t answering;

static void answered(struct bt_conn *conn, struct bt_gatt_indicate_params *params, uint8_t error)
{
    ARG_UNUSED(conn);
    ARG_UNUSED(params);
    ARG_UNUSED(error);
    atomic_set(&answering, 0);
    (void)k_work_submit_to_queue(&queue, &commands_work);
}

static void obey_commands(struct k_work *work)
{
    ARG_UNUSED(work);
    struct request request;
    if (atomic_get(&answering) || k_msgq_get(&requests, &request, K_NO_WAIT) != 0) {
        return;
    }
    const oecg_response response = {
        .op = request.command.op, .ref = request.command.ref, .result = obey(&request)};
    answer.uuid = &control_uuid.uuid;
    answer.attr = oecg_svc.attrs;
    answer.func = answered;
    answer.data = answer_bytes;
    answer.len = (uint16_t)oecg_encode_response(&response, answer_bytes, sizeof answer_bytes);
    atomic_set(&answering, 1);
    if (bt_gatt_indicate(NULL, &answer) != 0) { /* not subscribed, or gone */
        answered(NULL, &answer, 0u);
    }
}

static void disconnected(struct bt_conn *conn, uint8_t reason)
{
    ARG_UNUSED(conn);
    ARG_UNUSED(reason);
    k_msgq_purge(&requests);
    atomic_set(&answering, 0);
    (void)k_work_submit_to_queue(&queue, &stop_work);
}

BT_CONN_CB_DEFINE(connection_callbacks) = {
    .disconnected = disconnected,
};

void oecg_service_init(void)
{
    (void)oecg_ring_init(&ring, slots, sizeof slots / sizeof slots[0]);
    k_work_queue_init(&queue);
    k_work_queue_start(&queue, stack, K_THREAD_STACK_SIZEOF(stack), K_PRIO_PREEMPT(5), NULL);
}

void oecg_service_sample(int32_t code)
{
    oecg_ring_push(&ring, code, (uint32_t)k_uptime_ticks());
    (void)k_work_submit_to_queue(&queue, &frames_work);
}

void oecg_service_lead_off(bool off) { atomic_set(&lead_off, off ? 1 : 0); }
