/* SPDX-License-Identifier: 0BSD */
/* What kernels in lanes share. They make E8_LANES output channels side by side, in plain loops of that many steps
 * that compilers make vectors of: gcc and clang from -O2 on, where there are vector registers; without them the
 * bits are the same. A lane is a 32-bit sum. */
#ifndef E8_LANES_H
#define E8_LANES_H

#include "e8_math.h"

#define E8_LANES 16

/* Stands before a loop over lanes: its steps must not be taken apart before the compiler has looked for vectors. */
#if defined(__clang__)
#    define E8_KEEP_LOOP _Pragma("clang loop unroll(disable)")
#elif defined(__GNUC__) && __GNUC__ >= 8
#    define E8_KEEP_LOOP _Pragma("GCC unroll 1")
#else
#    define E8_KEEP_LOOP
#endif

/* conv, depthwise: one bias and one multiplier per output channel. */
typedef struct {
    const e8_s8 E8_ROM *weights;
    const e8_s32 E8_ROM *bias, *mult;
} e8_linear_lanes;

/* a * b for |a| <= 255 and |b| <= 128: below 2^15, so 16 bits hold an s8 minus a zero point times a weight. */
E8_INLINE e8_s16 e8_product_s16(e8_s16 a, e8_s8 b)
{
    return (e8_s16)(a * b);
}

E8_INLINE void e8_lanes_load(e8_s32 *acc, const e8_s32 E8_ROM *bias, e8_len n)
{
    e8_len i;

    E8_KEEP_LOOP
    for (i = 0; i < n; i++)
        acc[i] = bias[i];
}

/* acc[i] = the result of e8_requantise_s8 for accumulator acc[i] and multiplier mult[i], in all n lanes. */
E8_INLINE void e8_lanes_requantise(e8_s32 *acc, const e8_s32 E8_ROM *mult, e8_len n, e8_s16 lshift, e8_s32 c,
                                   e8_s16 rshift, e8_s16 lo, e8_s16 hi)
{
    e8_len i;

    E8_KEEP_LOOP
    for (i = 0; i < n; i++)
        acc[i] = e8_clamp_s32(e8_rescale_s32(acc[i], mult[i], lshift, c, rshift), lo, hi);
}

#endif
