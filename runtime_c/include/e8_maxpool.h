/* SPDX-License-Identifier: 0BSD */
/* Generated from codegen/eightbit/ops/maxpool.py, which says what the members mean:
 * y = clamp(max(x)) */
#ifndef E8_MAXPOOL_H
#define E8_MAXPOOL_H

#include "e8_types.h"

typedef struct {
    e8_s16 in_h;
    e8_s16 in_w;
    e8_s16 out_w;
    e8_s16 kh;
    e8_s16 kw;
    e8_s16 stride_y;
    e8_s16 stride_x;
    e8_s16 dil_y;
    e8_s16 dil_x;
    e8_s16 pad_top;
    e8_s16 pad_left;
    e8_s16 ch;
    e8_s16 act_min;
    e8_s16 act_max;
} e8_maxpool_s8_params;

#endif
