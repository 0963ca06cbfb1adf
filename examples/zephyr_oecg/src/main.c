/* A peripheral with the OECG service; a timer stands for the converter's interrupt.
 * SPDX-License-Identifier: MIT
 */
#include <zephyr/bluetooth/bluetooth.h>
#include <zephyr/bluetooth/uuid.h>
#include <zephyr/kernel.h>
#include <zephyr/settings/settings.h>

#include "oecg.h"
#include "oecg_service.h"

static const struct bt_data advertisement[] = {
    BT_DATA_BYTES(BT_DATA_FLAGS, (BT_LE_AD_GENERAL | BT_LE_AD_NO_BREDR)),
    BT_DATA(BT_DATA_NAME_COMPLETE, CONFIG_BT_DEVICE_NAME, sizeof(CONFIG_BT_DEVICE_NAME) - 1),
};
static const struct bt_data scan_response[] = {
    BT_DATA_BYTES(BT_DATA_UUID128_ALL, OECG_SERVICE_UUID_BYTES),
};

/* A sawtooth with a spike a second, in place of a converter. */
static void on_sample(struct k_timer *timer)
{
    ARG_UNUSED(timer);
    static uint32_t taken;
    const uint32_t phase = taken++ % 250u;
    oecg_service_sample(phase == 100u ? 1000 : (int32_t)phase - 125);
}

K_TIMER_DEFINE(converter, on_sample, NULL);

int main(void)
{
    oecg_service_init();
    if (bt_enable(NULL) != 0) {
        return 1;
    }
    if (IS_ENABLED(CONFIG_SETTINGS)) {
        (void)settings_load(); /* the hosts that paired */
    }
    k_timer_start(&converter, K_USEC(4000), K_USEC(4000));
    return bt_le_adv_start(BT_LE_ADV_CONN_FAST_1, advertisement, ARRAY_SIZE(advertisement),
                           scan_response, ARRAY_SIZE(scan_response));
}
