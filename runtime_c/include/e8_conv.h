/* SPDX-License-Identifier: 0BSD */
/* Generated from codegen/eightbit/ops/conv.py, which says what the members mean:
 * acc = bias + sum((x - zp) * w); y = clamp((mulhi(acc << l, mult) + c) >> k) */
#ifndef E8_CONV_H
#define E8_CONV_H

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
    e8_s16 in_ch;
    e8_s16 out_ch;
    e8_s16 groups;
    e8_s16 zp_in;
    e8_s16 acc_lshift;
    e8_s16 out_rshift;
    e8_s16 act_min;
    e8_s16 act_max;
    e8_s32 out_c;
} e8_conv_s8_params;

#endif
