/* SPDX-License-Identifier: 0BSD */
/* floor(a * b / 2^32) where the processor multiplies 32 by 32 bits to 64; narrow/e8_mulhi.h is the same without. */
#ifndef E8_MULHI_H
#define E8_MULHI_H

#include "e8_types.h"

/* For any a and b: in [-2^30, 2^30]. */
E8_INLINE e8_s32 e8_mulhi_s32(e8_s32 a, e8_s32 b)
{
    return (e8_s32)(((e8_s64)a * b) >> 32);
}

#endif
