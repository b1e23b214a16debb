/* SPDX-License-Identifier: 0BSD */
/* floor(a * b / 2^32) from products of 16 bits: for targets with `wide_multiply = false`, where the 64-bit product
 * of ../e8_mulhi.h is a call that takes longer than four multiplications. The results are equal.
 *
 * Let a = ah * 2^16 + al and b = bh * 2^16 + bl, where ah = floor(a / 2^16), so 0 <= al < 2^16. Then
 *
 *     a * b / 2^32 = ah * bh + (ah * bl + al * bh + al * bl / 2^16) / 2^16
 *     t = ah * bl + floor(al * bl / 2^16)
 *     u = al * bh + t mod 2^16
 *     floor(a * b / 2^32) = ah * bh + floor(t / 2^16) + floor(u / 2^16)
 *
 * because an integer passes through a floor, and so do whole multiples of 2^16. Nothing overflows: al * bl <
 * 2^32, and with -2^15 <= ah, bh < 2^15, t and u lie in [-2^15 * (2^16 - 1), 2^15 * (2^16 - 1)], since
 * (2^15 - 1) * (2^16 - 1) + 2^16 - 1 is that upper end. */
#ifndef E8_MULHI_H
#define E8_MULHI_H

#include "e8_types.h"

/* For any a and b: in [-2^30, 2^30]. Multipliers of layers are mostly m15 * 2^16: bl = 0, so t = 0. */
E8_INLINE e8_s32 e8_mulhi_s32(e8_s32 a, e8_s32 b)
{
    const e8_u16 al = (e8_u16)(a & 0xffff), bl = (e8_u16)(b & 0xffff);
    const e8_s16 ah = (e8_s16)(a >> 16), bh = (e8_s16)(b >> 16);
    e8_s32 high = (e8_s32)ah * bh, u = (e8_s32)al * bh;

    if (bl != 0) {
        const e8_s32 t = (e8_s32)ah * bl + (e8_s32)(((e8_u32)al * bl) >> 16);

        u += t & 0xffff;
        high += t >> 16;
    }
    return high + (u >> 16);
}

#endif
