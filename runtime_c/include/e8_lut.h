/* SPDX-License-Identifier: 0BSD */
/* Generated from codegen/eightbit/ops/lut.py, which says what the members mean:
 * y = table[x + 128] */
#ifndef E8_LUT_H
#define E8_LUT_H

#include "e8_types.h"

typedef struct {
    e8_s16 w;
    e8_s16 ch;
} e8_lut_s8_params;

#endif
