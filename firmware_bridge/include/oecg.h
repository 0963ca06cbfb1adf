/* OECG: leadlab's open profile for ECG firmware. C99 (and C++11), headers only, no allocation, no
 * dependency.
 *
 *   oecg_layout.h  generated: codes, sizes, offsets
 *   oecg_frame.h   messages to bytes and back
 *   oecg_ring.h    samples from an interrupt to a thread, every lost one counted
 *   oecg_sender.h  frames out of a ring, with their counters and flags
 *   oecg_serial.h  messages over a byte stream: COBS and CRC-16
 *
 * docs/open-profile.md in leadlab describes the profile.
 * SPDX-License-Identifier: MIT
 */
#ifndef OECG_H
#define OECG_H

#include "oecg_frame.h"
#include "oecg_layout.h"
#include "oecg_ring.h"
#include "oecg_sender.h"
#include "oecg_serial.h"

#endif /* OECG_H */
