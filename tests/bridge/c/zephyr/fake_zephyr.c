/* Runs the OECG example by commands on standard input, a line each, and prints what it sends:
 *
 *   mtu N            the link's MTU from now on
 *   read UUID16      print "read HEX", or its error
 *   write UUID16 HEX print "write RESULT"
 *   samples N        let the converter's timer fire N times
 *   lead_off 0|1
 *   fail ERROR N     the next N notifications return -ERROR
 *   status           let 10 s pass for the status message
 *   disconnect
 *
 * Notifications are printed as "notify UUID16 HEX", indications as "indicate UUID16 HEX". */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fake_zephyr.h"
#include "oecg_service.h"

#define main example_main
#include "main.c"
#undef main

static struct bt_conn connection = {247};
static struct k_timer *timer;
static struct k_work *works[8];
static struct k_work_delayable *delayed;
static int64_t ticks;
static int failures;
static int failure;

void k_work_queue_init(struct k_work_q *queue) { queue->started = false; }

void k_work_queue_start(struct k_work_q *queue, k_thread_stack_t *stack, size_t stack_size,
                        int prio, const void *cfg)
{
    (void)stack;
    (void)stack_size;
    (void)prio;
    (void)cfg;
    queue->started = true;
}

int k_work_submit_to_queue(struct k_work_q *queue, struct k_work *work)
{
    if (!queue->started) {
        return -ENODEV;
    }
    for (size_t i = 0; !work->pending && i < ARRAY_SIZE(works); i++) {
        if (works[i] == NULL) {
            works[i] = work;
            work->pending = true;
        }
    }
    return work->pending ? 1 : -EBUSY;
}

int k_work_schedule_for_queue(struct k_work_q *queue, struct k_work_delayable *work,
                              k_timeout_t delay)
{
    (void)delay;
    delayed = work;
    return queue->started ? 1 : -ENODEV;
}

int k_work_cancel_delayable(struct k_work_delayable *work)
{
    (void)work;
    delayed = NULL;
    return 0;
}

static void run_works(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(works); i++) {
        struct k_work *work = works[i];
        if (work != NULL) {
            works[i] = NULL;
            work->pending = false;
            work->handler(work);
            i = (size_t)-1; /* begin again: it may have submitted */
        }
    }
}

int64_t k_uptime_ticks(void) { return ticks; }

int k_msgq_put(struct k_msgq *msgq, const void *data, k_timeout_t timeout)
{
    (void)timeout;
    if (msgq->used == msgq->most) {
        return -ENOMSG;
    }
    memcpy(msgq->buffer + msgq->used++ * msgq->item, data, msgq->item);
    return 0;
}

int k_msgq_get(struct k_msgq *msgq, void *data, k_timeout_t timeout)
{
    (void)timeout;
    if (msgq->used == 0u) {
        return -ENOMSG;
    }
    memcpy(data, msgq->buffer, msgq->item);
    memmove(msgq->buffer, msgq->buffer + msgq->item, --msgq->used * msgq->item);
    return 0;
}

void k_msgq_purge(struct k_msgq *msgq) { msgq->used = 0u; }

void k_timer_start(struct k_timer *started, k_timeout_t duration, k_timeout_t period)
{
    (void)duration;
    (void)period;
    timer = started;
}

atomic_val_t atomic_get(const atomic_t *target) { return *target; }

atomic_val_t atomic_set(atomic_t *target, atomic_val_t value)
{
    const atomic_val_t before = *target;
    *target = value;
    return before;
}

int settings_load(void) { return 0; }

int bt_enable(void (*ready)(int error))
{
    (void)ready;
    return 0;
}

static void print_hex(const void *data, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        printf("%02x", (unsigned)((const uint8_t *)data)[i]);
    }
    printf("\n");
}

int bt_le_adv_start(const struct bt_le_adv_param *param, const struct bt_data *ad, size_t ad_len,
                    const struct bt_data *sd, size_t sd_len)
{
    (void)param;
    size_t used = 0;
    for (size_t i = 0; i < ad_len; i++) {
        used += 2u + ad[i].data_len;
    }
    printf("advertise %lu ", (unsigned long)used);
    print_hex(sd[0].data, sd_len == 1u ? sd[0].data_len : 0u);
    return 0;
}

ssize_t bt_gatt_attr_read(struct bt_conn *conn, const struct bt_gatt_attr *attr, void *buf,
                          uint16_t buf_len, uint16_t offset, const void *value, uint16_t value_len)
{
    (void)conn;
    (void)attr;
    if (offset > value_len) {
        return BT_GATT_ERR(BT_ATT_ERR_INVALID_OFFSET);
    }
    const uint16_t left = (uint16_t)(value_len - offset);
    const uint16_t size = left < buf_len ? left : buf_len;
    memcpy(buf, (const uint8_t *)value + offset, size);
    return (ssize_t)size;
}

static unsigned short_uuid(const struct bt_uuid *uuid)
{
    const struct bt_uuid_128 *full = (const struct bt_uuid_128 *)uuid;
    return (unsigned)(full->val[12] | full->val[13] << 8);
}

int bt_gatt_notify_uuid(struct bt_conn *conn, const struct bt_uuid *uuid,
                        const struct bt_gatt_attr *attr, const void *data, uint16_t len)
{
    (void)conn;
    (void)attr;
    if (failures > 0) {
        failures--;
        return -failure;
    }
    if (len > connection.mtu - 3) {
        return -EMSGSIZE;
    }
    printf("notify %04x ", short_uuid(uuid));
    print_hex(data, len);
    return 0;
}

int bt_gatt_indicate(struct bt_conn *conn, struct bt_gatt_indicate_params *params)
{
    (void)conn;
    printf("indicate %04x ", short_uuid(params->uuid));
    print_hex(params->data, params->len);
    params->func(&connection, params, 0);
    return 0;
}

uint16_t bt_gatt_get_mtu(struct bt_conn *conn) { return conn->mtu; }

static const struct bt_gatt_attr *attribute(unsigned uuid)
{
    for (size_t i = 0; i < oecg_svc.attr_count; i++) {
        const struct bt_gatt_attr *attr = &oecg_svc.attrs[i];
        if (attr->uuid != NULL && short_uuid(attr->uuid) == uuid) {
            return attr;
        }
    }
    exit(2);
}

static void read_attribute(unsigned uuid)
{
    const struct bt_gatt_attr *attr = attribute(uuid);
    uint8_t buffer[512];
    const ssize_t size = attr->read(&connection, attr, buffer, sizeof buffer, 0u);
    printf("read %u ", (unsigned)attr->perm);
    print_hex(buffer, size < 0 ? 0u : (size_t)size);
}

static void write_attribute(unsigned uuid, const char *hex)
{
    const struct bt_gatt_attr *attr = attribute(uuid);
    uint8_t buffer[512];
    uint16_t size = 0;
    unsigned byte;
    while (sscanf(hex + 2 * size, "%2x", &byte) == 1) {
        buffer[size++] = (uint8_t)byte;
    }
    const ssize_t result = attr->write(&connection, attr, buffer, size, 0u, 0u);
    printf("write %u %ld\n", (unsigned)attr->perm, (long)result);
}

int main(void)
{
    static char line[2048];
    char hex[1024];
    int n;
    unsigned uuid;
    if (example_main() != 0) {
        return 1;
    }
    while (fgets(line, sizeof line, stdin) != NULL) {
        if (sscanf(line, "mtu %d", &n) == 1) {
            connection.mtu = (uint16_t)n;
        } else if (sscanf(line, "read %x", &uuid) == 1) {
            read_attribute(uuid);
        } else if (sscanf(line, "write %x %1023s", &uuid, hex) == 2) {
            write_attribute(uuid, hex);
        } else if (sscanf(line, "samples %d", &n) == 1) {
            for (; n > 0; n--) {
                ticks += 131;
                timer->expiry(timer);
                run_works();
            }
        } else if (sscanf(line, "lead_off %d", &n) == 1) {
            oecg_service_lead_off(n != 0);
        } else if (sscanf(line, "fail %d %d", &failure, &failures) == 2) {
            continue;
        } else if (strcmp(line, "status\n") == 0 && delayed != NULL) {
            delayed->work.handler(&delayed->work);
        } else if (strcmp(line, "disconnect\n") == 0) {
            fake_connection_callbacks.disconnected(&connection, 0x13);
        }
        run_works();
    }
    return 0;
}
