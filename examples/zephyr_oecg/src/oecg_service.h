/* The OECG service: give it samples, it streams them to the connected host.
 * SPDX-License-Identifier: MIT
 */
#ifndef OECG_SERVICE_H
#define OECG_SERVICE_H

#include <stdbool.h>
#include <stdint.h>

/* Start the service's work queue. Call once, before bt_enable(). */
void oecg_service_init(void);

/* Add a sample; from the converter's interrupt, at the rate that the info message names. */
void oecg_service_sample(int32_t code);

/* Say whether an electrode is off; from any context, at every change. */
void oecg_service_lead_off(bool off);

#endif /* OECG_SERVICE_H */
