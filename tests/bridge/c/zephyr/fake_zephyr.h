/* A stand-in for the Zephyr calls that the OECG example uses, with the signatures of Zephyr 3.7. It
 * knows one connection and one work queue, and runs nothing by itself: fake_zephyr.c does. */
#ifndef FAKE_ZEPHYR_H
#define FAKE_ZEPHYR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define CONFIG_SYS_CLOCK_TICKS_PER_SEC 32768
#define CONFIG_BT_DEVICE_NAME "OECG example"
#define CONFIG_SETTINGS 1
#define IS_ENABLED(option) (option)
#define ARG_UNUSED(x) (void)(x)
#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

/* kernel */
typedef struct {
    int64_t us;
} k_timeout_t;
#define K_NO_WAIT ((k_timeout_t){0})
#define K_SECONDS(s) ((k_timeout_t){(s) * INT64_C(1000000)})
#define K_USEC(us) ((k_timeout_t){us})
#define K_PRIO_PREEMPT(x) (x)

struct k_work;
typedef void (*k_work_handler_t)(struct k_work *work);
struct k_work {
    k_work_handler_t handler;
    bool pending;
};
struct k_work_delayable {
    struct k_work work;
};
struct k_work_q {
    bool started;
};
typedef struct {
    char byte;
} k_thread_stack_t;
#define K_WORK_DEFINE(name, function) struct k_work name = {function, false}
#define K_WORK_DELAYABLE_DEFINE(name, function) struct k_work_delayable name = {{function, false}}
#define K_THREAD_STACK_DEFINE(name, size) k_thread_stack_t name[size]
#define K_THREAD_STACK_SIZEOF(name) sizeof(name)
void k_work_queue_init(struct k_work_q *queue);
void k_work_queue_start(struct k_work_q *queue, k_thread_stack_t *stack, size_t stack_size,
                        int prio, const void *cfg);
int k_work_submit_to_queue(struct k_work_q *queue, struct k_work *work);
int k_work_schedule_for_queue(struct k_work_q *queue, struct k_work_delayable *work,
                              k_timeout_t delay);
int k_work_cancel_delayable(struct k_work_delayable *work);
int64_t k_uptime_ticks(void);

struct k_msgq {
    unsigned char *buffer;
    size_t item;
    uint32_t most;
    uint32_t used;
};
#define K_MSGQ_DEFINE(name, size, n, align)                                                        \
    static unsigned char name##_buffer[(size) * (n)];                                              \
    static struct k_msgq name = {name##_buffer, size, n, 0}
int k_msgq_put(struct k_msgq *msgq, const void *data, k_timeout_t timeout);
int k_msgq_get(struct k_msgq *msgq, void *data, k_timeout_t timeout);
void k_msgq_purge(struct k_msgq *msgq);

struct k_timer;
typedef void (*k_timer_expiry_t)(struct k_timer *timer);
struct k_timer {
    k_timer_expiry_t expiry;
};
#define K_TIMER_DEFINE(name, expiry, stop) static struct k_timer name = {expiry}
void k_timer_start(struct k_timer *timer, k_timeout_t duration, k_timeout_t period);

/* atomic */
typedef long atomic_t;
typedef long atomic_val_t;
atomic_val_t atomic_get(const atomic_t *target);
atomic_val_t atomic_set(atomic_t *target, atomic_val_t value);

int settings_load(void);

/* bluetooth */
struct bt_uuid {
    uint8_t type;
};
struct bt_uuid_128 {
    struct bt_uuid uuid;
    uint8_t val[16];
};
#define BT_UUID_INIT_128(...) {{2}, {__VA_ARGS__}}

struct bt_conn {
    uint16_t mtu;
};
struct bt_conn_cb {
    void (*connected)(struct bt_conn *conn, uint8_t err);
    void (*disconnected)(struct bt_conn *conn, uint8_t reason);
};
#define BT_CONN_CB_DEFINE(name) const struct bt_conn_cb fake_##name
extern const struct bt_conn_cb fake_connection_callbacks;

struct bt_data {
    uint8_t type;
    uint8_t data_len;
    const uint8_t *data;
};
#define BT_DATA_FLAGS 0x01
#define BT_DATA_UUID128_ALL 0x07
#define BT_DATA_NAME_COMPLETE 0x09
#define BT_LE_AD_GENERAL 0x02
#define BT_LE_AD_NO_BREDR 0x04
#define BT_DATA(type, bytes, size) {type, size, (const uint8_t *)(bytes)}
#define BT_DATA_BYTES(type, ...)                                                                   \
    BT_DATA(type, ((const uint8_t[]){__VA_ARGS__}), sizeof((const uint8_t[]){__VA_ARGS__}))
struct bt_le_adv_param;
#define BT_LE_ADV_CONN_FAST_1 ((const struct bt_le_adv_param *)NULL)
int bt_enable(void (*ready)(int error));
int bt_le_adv_start(const struct bt_le_adv_param *param, const struct bt_data *ad, size_t ad_len,
                    const struct bt_data *sd, size_t sd_len);

/* GATT */
#define BT_GATT_CHRC_READ 0x02
#define BT_GATT_CHRC_WRITE 0x08
#define BT_GATT_CHRC_NOTIFY 0x10
#define BT_GATT_CHRC_INDICATE 0x20
#define BT_GATT_PERM_NONE 0x00
#define BT_GATT_PERM_READ 0x01
#define BT_GATT_PERM_WRITE 0x02
#define BT_GATT_PERM_READ_ENCRYPT 0x04
#define BT_GATT_PERM_WRITE_ENCRYPT 0x08
#define BT_ATT_ERR_INVALID_OFFSET 0x07
#define BT_ATT_ERR_INSUFFICIENT_RESOURCES 0x11
#define BT_ATT_ERR_VALUE_NOT_ALLOWED 0x13
#define BT_GATT_ERR(error) (-(error))

struct bt_gatt_attr;
typedef ssize_t (*bt_gatt_attr_read_func_t)(struct bt_conn *conn, const struct bt_gatt_attr *attr,
                                            void *buf, uint16_t len, uint16_t offset);
typedef ssize_t (*bt_gatt_attr_write_func_t)(struct bt_conn *conn, const struct bt_gatt_attr *attr,
                                             const void *buf, uint16_t len, uint16_t offset,
                                             uint8_t flags);
struct bt_gatt_attr {
    const struct bt_uuid *uuid;
    bt_gatt_attr_read_func_t read;
    bt_gatt_attr_write_func_t write;
    void *user_data;
    uint8_t perm;
};
struct bt_gatt_service_static {
    const struct bt_gatt_attr *attrs;
    size_t attr_count;
};
#define BT_GATT_PRIMARY_SERVICE(service) {NULL, NULL, NULL, (void *)(service), BT_GATT_PERM_READ}
#define BT_GATT_CHARACTERISTIC(uuid, props, perm, read, write, data)                               \
    {NULL, NULL, NULL, NULL, BT_GATT_PERM_READ}, {uuid, read, write, data, perm}
#define BT_GATT_CCC(changed, perm) {NULL, NULL, NULL, changed, perm}
#define BT_GATT_SERVICE_DEFINE(name, ...)                                                          \
    static const struct bt_gatt_attr name##_attrs[] = {__VA_ARGS__};                               \
    const struct bt_gatt_service_static name = {name##_attrs, ARRAY_SIZE(name##_attrs)}
extern const struct bt_gatt_service_static oecg_svc;

struct bt_gatt_indicate_params {
    const struct bt_uuid *uuid;
    const struct bt_gatt_attr *attr;
    void (*func)(struct bt_conn *conn, struct bt_gatt_indicate_params *params, uint8_t err);
    const void *data;
    uint16_t len;
};
ssize_t bt_gatt_attr_read(struct bt_conn *conn, const struct bt_gatt_attr *attr, void *buf,
                          uint16_t buf_len, uint16_t offset, const void *value, uint16_t value_len);
int bt_gatt_notify_uuid(struct bt_conn *conn, const struct bt_uuid *uuid,
                        const struct bt_gatt_attr *attr, const void *data, uint16_t len);
int bt_gatt_indicate(struct bt_conn *conn, struct bt_gatt_indicate_params *params);
uint16_t bt_gatt_get_mtu(struct bt_conn *conn);

#endif /* FAKE_ZEPHYR_H */
