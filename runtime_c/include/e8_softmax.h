/* SPDX-License-Identifier: 0BSD */
/* Generated from codegen/eightbit/ops/softmax.py, which says what the members mean:
 * e = table[max - x]; y = sat((e * 2^n + S / 2) / S - 128), S = sum(e) */
#ifndef E8_SOFTMAX_H
#define E8_SOFTMAX_H

#include "e8_types.h"

typedef struct {
    e8_s16 w;
    e8_s16 ch;
    e8_s16 out_lshift;
} e8_softmax_s8_params;

#endif
