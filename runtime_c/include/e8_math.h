/* SPDX-License-Identifier: 0BSD */
/* The integer arithmetic that defines every bit; its twin is codegen/eightbit/ir/fixed.py.
 *
 * `>>` is floor everywhere. int may have 16 bits: operands become e8_s32 before a product or a shift. */
#ifndef E8_MATH_H
#define E8_MATH_H

#include "e8_mulhi.h"
#include "e8_types.h"

/* v clamped to [lo, hi], lo <= hi: two steps, which compilers make vectors of. */
E8_INLINE e8_s32 e8_clamp_s32(e8_s32 v, e8_s32 lo, e8_s32 hi)
{
    const e8_s32 raised = v < lo ? lo : v;

    return raised > hi ? hi : raised;
}

/* v clamped to [lo, hi]. Needs -128 <= lo <= hi <= 127. */
E8_INLINE e8_s8 e8_clamp_s8(e8_s32 v, e8_s32 lo, e8_s32 hi)
{
    return (e8_s8)e8_clamp_s32(v, lo, hi);
}

/* (mulhi(acc << lshift, mult) + c) >> rshift, where c = (zp << rshift) + 2^(rshift - 1).
 *
 * Floors compose, so this is one round-half-up of acc * mult * 2^(lshift - 32 - rshift) + zp.
 * Needs |acc| < 2^(31 - lshift), 0 <= mult < 2^31, 1 <= rshift <= 23, -128 <= zp <= 127.
 * Then -2^30 <= mulhi < 2^30 and -2^30 < c < 2^30: the sum fits 32 bits (at rshift = 24 it would not). */
E8_INLINE e8_s32 e8_rescale_s32(e8_s32 acc, e8_s32 mult, e8_s16 lshift, e8_s32 c, e8_s16 rshift)
{
    const e8_s32 shifted = (e8_s32)((e8_u32)acc << lshift);

    return (e8_mulhi_s32(shifted, mult) + c) >> rshift;
}

/* clamp((mulhi(acc << lshift, mult) + c) >> rshift): as e8_rescale_s32, to s8. */
E8_INLINE e8_s8 e8_requantise_s8(e8_s32 acc, e8_s32 mult, e8_s16 lshift, e8_s32 c, e8_s16 rshift, e8_s16 lo,
                                 e8_s16 hi)
{
    return e8_clamp_s8(e8_rescale_s32(acc, mult, lshift, c, rshift), lo, hi);
}

/* clamp((a * mult_a + b * mult_b + c) >> rshift): a rescale or the sum of two s8 values, rounded once.
 *
 * c = (zp << rshift) + 2^(rshift - 1) - zp_a * mult_a - zp_b * mult_b.
 * Needs 0 <= mult_a, mult_b < 2^15, 1 <= rshift <= 22: products are below 2^22, |c| < 2^30, so 32 bits hold it. */
E8_INLINE e8_s8 e8_weighted_sum_s8(e8_s8 a, e8_s8 b, e8_s16 mult_a, e8_s16 mult_b, e8_s32 c, e8_s16 rshift,
                                   e8_s16 lo, e8_s16 hi)
{
    return e8_clamp_s8(((e8_s32)a * mult_a + (e8_s32)b * mult_b + c) >> rshift, lo, hi);
}

#endif
