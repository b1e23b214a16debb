/* SPDX-License-Identifier: 0BSD */
/* Generated from codegen/eightbit/ops/gap.py, which says what the members mean:
 * acc = sum(x - zp); y = clamp((mulhi(acc << l, mult) + c) >> k) */
#ifndef E8_GAP_H
#define E8_GAP_H

#include "e8_types.h"

typedef struct {
    e8_s16 in_h;
    e8_s16 in_w;
    e8_s16 ch;
    e8_s16 zp_in;
    e8_s16 acc_lshift;
    e8_s16 out_rshift;
    e8_s16 act_min;
    e8_s16 act_max;
    e8_s32 out_c;
    e8_s32 mult;
} e8_gap_s8_params;

#endif
