/* SPDX-License-Identifier: 0BSD */
/* The constants of the portable kernels: what their `w` points to. */
#ifndef E8_REF_H
#define E8_REF_H

#include "e8_types.h"

/* conv, depthwise, fc: one bias and one multiplier per output channel. */
typedef struct {
    const e8_s8 E8_ROM *weights;
    const e8_s32 E8_ROM *bias, *mult;
} e8_linear_ref;

/* avgpool: every number of cells that occurs in a window, ascending, and its multiplier. */
typedef struct {
    const e8_s16 E8_ROM *counts;
    const e8_s32 E8_ROM *mult;
} e8_average_ref;

#endif
