/* SPDX-License-Identifier: 0BSD */
/* Generated from codegen/eightbit/ops/permute.py, which says what the members mean:
 * y[i] = x[sum(digit_j(i) * stride_j)] */
#ifndef E8_PERMUTE_H
#define E8_PERMUTE_H

#include "e8_types.h"

typedef struct {
    e8_s16 out_w;
    e8_s16 out_ch;
    e8_s16 extent[6];
    e8_s32 stride[6];
} e8_permute_s8_params;

#endif
