/* SPDX-License-Identifier: 0BSD */
/* Generated from codegen/eightbit/ops/clamp.py, which says what the members mean:
 * y = clamp(x) */
#ifndef E8_CLAMP_H
#define E8_CLAMP_H

#include "e8_types.h"

typedef struct {
    e8_s16 w;
    e8_s16 ch;
    e8_s16 act_min;
    e8_s16 act_max;
} e8_clamp_s8_params;

#endif
