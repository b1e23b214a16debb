/* SPDX-License-Identifier: 0BSD */
/* Sum of two tensors with scales of their own, rounded once.
 *
 *     y = clamp((a * mult_a + b * mult_b + sum_c) >> sum_rshift)      to [act_min, act_max]
 *
 * w: none. in[0] is a, in[1] is b; they and the output have one shape.
 * Ranges: multipliers below 2^15 and sum_rshift <= 22, so no sum leaves 32 bits (e8_weighted_sum_s8).
 * Facts: element by element. */
#include "e8_add.h"
#include "e8_math.h"
#include "e8_rows.h"

E8_KERNEL void e8_add_s8__ref(const e8_add_s8_params E8_ROM *p, const void E8_ROM *w, const e8_call *at)
{
    /* A copy, because a store through e8_s8 may change whatever is not a local. */
    const e8_add_s8_params q = *p;
    const e8_rows a = at->in[0], b = at->in[1], out = at->out[0];
    const e8_s16 end = (e8_s16)(at->y + at->n);
    e8_s16 y;

    (void)w;
    for (y = at->y; y < end; y++) {
        const e8_s8 *from_a = e8_in_s8(&a, y), *from_b = e8_in_s8(&b, y);
        e8_s8 *to = e8_out_s8(&out, y);
        e8_len x, c;

        for (x = 0; x < q.w; x++, from_a += a.pixel, from_b += b.pixel, to += out.pixel)
            for (c = 0; c < q.ch; c++)
                to[c] = e8_weighted_sum_s8(from_a[c], from_b[c], q.mult_a, q.mult_b, q.sum_c, q.sum_rshift,
                                           q.act_min, q.act_max);
    }
}
