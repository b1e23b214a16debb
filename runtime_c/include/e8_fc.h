/* SPDX-License-Identifier: 0BSD */
/* Generated from codegen/eightbit/ops/fc.py, which says what the members mean:
 * acc = bias + sum((x - zp) * w); y = clamp((mulhi(acc << l, mult) + c) >> k) */
#ifndef E8_FC_H
#define E8_FC_H

#include "e8_types.h"

typedef struct {
    e8_s32 in_n;
    e8_s16 out_n;
    e8_s16 zp_in;
    e8_s16 acc_lshift;
    e8_s16 out_rshift;
    e8_s16 act_min;
    e8_s16 act_max;
    e8_s32 out_c;
} e8_fc_s8_params;

#endif
