/* SPDX-License-Identifier: 0BSD */
/* Generated from codegen/eightbit/ops/avgpool.py, which says what the members mean:
 * acc = sum(x - zp); y = clamp((mulhi(acc << l, mult[cells]) + c) >> k) */
#ifndef E8_AVGPOOL_H
#define E8_AVGPOOL_H

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
    e8_s16 count_y0;
    e8_s16 count_y1;
    e8_s16 count_x0;
    e8_s16 count_x1;
    e8_s16 counts_n;
    e8_s16 zp_in;
    e8_s16 acc_lshift;
    e8_s16 out_rshift;
    e8_s16 act_min;
    e8_s16 act_max;
    e8_s32 out_c;
} e8_avgpool_s8_params;

#endif
