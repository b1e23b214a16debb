/* SPDX-License-Identifier: 0BSD */
/* Fully connected layer: every output reads the whole input, in the order of its memory.
 *
 *     acc = bias[o] + sum((x - zp_in) * w[o])
 *     y[o] = clamp((mulhi(acc << acc_lshift, mult[o]) + out_c) >> out_rshift)
 *
 * w: e8_linear_ref, weights [out_n][in_n].
 * Ranges: |x - zp_in| <= 255, |w| <= 128; the compiler proves
 * |bias| + sum|(x - zp_in) * w| < 2^(31 - acc_lshift), so no partial sum leaves 32 bits.
 * Facts: the input is whole and contiguous, and is read again after each output is written. */
#include "e8_fc.h"
#include "e8_math.h"
#include "e8_ref.h"
#include "e8_rows.h"

E8_KERNEL void e8_fc_s8__ref(const e8_fc_s8_params E8_ROM *p, const void E8_ROM *w, const e8_call *at)
{
    /* Copies, because a store through e8_s8 may change whatever is not a local. */
    const e8_fc_s8_params q = *p;
    const e8_linear_ref k = *(const e8_linear_ref E8_ROM *)w;
    const e8_s8 *const x = e8_in_s8(at->in, 0);
    e8_s8 *const to = e8_out_s8(at->out, 0);
    const e8_s8 E8_ROM *row = k.weights;
    const e8_len n = (e8_len)q.in_n;
    e8_len o, i;

    for (o = 0; o < q.out_n; o++, row += n) {
        e8_s32 acc = k.bias[o];

        for (i = 0; i < n; i++)
            acc += (e8_s32)(x[i] - q.zp_in) * row[i];
        to[o] = e8_requantise_s8(acc, k.mult[o], q.acc_lshift, q.out_c, q.out_rshift, q.act_min, q.act_max);
    }
}
