/* SPDX-License-Identifier: 0BSD */
/* Global average: the mean of each channel. A launch takes input rows y .. y+n-1; the last writes the output.
 *
 *     acc = sum(x[c] - zp_in)
 *     y[c] = clamp((mulhi(acc << acc_lshift, mult) + out_c) >> out_rshift)
 *
 * w: none. Ranges: |acc| <= in_h * in_w * 255, which the compiler proves to be below 2^(31 - acc_lshift).
 * Facts: reads planes; writes nothing before the last launch, then channel by channel while it reads that
 * launch's rows again for each. `state` holds the sums, ch words, unless one launch takes all rows. */
#include "e8_gap.h"
#include "e8_math.h"
#include "e8_rows.h"

E8_KERNEL void e8_gap_s8__ref(const e8_gap_s8_params E8_ROM *p, const void E8_ROM *w, const e8_call *at)
{
    /* Copies, because a store through e8_s8 may change whatever is not a local. */
    const e8_gap_s8_params q = *p;
    const e8_rows in = at->in[0];
    const e8_s16 first = at->y, end = (e8_s16)(at->y + at->n);
    e8_s32 *const sums = at->state;
    e8_s8 *const to = e8_out_s8(at->out, 0);
    e8_len c, x;
    e8_s16 y;

    (void)w;
    for (c = 0; c < q.ch; c++) {
        e8_s32 acc = first == 0 ? 0 : sums[c];

        for (y = first; y < end; y++) {
            const e8_s8 *row = e8_in_s8(&in, y) + c * in.plane;

            for (x = 0; x < q.in_w; x++)
                acc += row[x * in.pixel] - q.zp_in;
        }
        if (end == q.in_h)
            to[c] = e8_requantise_s8(acc, q.mult, q.acc_lshift, q.out_c, q.out_rshift, q.act_min, q.act_max);
        else
            sums[c] = acc;
    }
}
