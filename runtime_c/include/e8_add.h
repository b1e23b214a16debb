/* SPDX-License-Identifier: 0BSD */
/* Generated from codegen/eightbit/ops/add.py, which says what the members mean:
 * y = clamp((a * mult_a + b * mult_b + c) >> k) */
#ifndef E8_ADD_H
#define E8_ADD_H

#include "e8_types.h"

typedef struct {
    e8_s16 w;
    e8_s16 ch;
    e8_s16 mult_a;
    e8_s16 mult_b;
    e8_s16 sum_rshift;
    e8_s16 act_min;
    e8_s16 act_max;
    e8_s32 sum_c;
} e8_add_s8_params;

#endif
