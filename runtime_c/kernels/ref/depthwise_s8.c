/* SPDX-License-Identifier: 0BSD */
/* Depthwise convolution with a channel multiplier: output channel o reads input channel o / (out_ch / in_ch).
 *
 *     acc = bias[o] + sum((x - zp_in) * w[o])      taps outside the image add nothing
 *     y[o] = clamp((mulhi(acc << acc_lshift, mult[o]) + out_c) >> out_rshift)
 *
 * w: e8_linear_ref, weights [kh][kw][out_ch].
 * Ranges: |x - zp_in| <= 255, |w| <= 128; the compiler proves
 * |bias| + sum|(x - zp_in) * w| < 2^(31 - acc_lshift), so no partial sum leaves 32 bits.
 * Facts: reads planes; writes a pixel channel by channel; with a multiplier above 1 it reads an input channel
 * again after writing an output channel made from it. */
#include "e8_depthwise.h"
#include "e8_math.h"
#include "e8_ref.h"
#include "e8_rows.h"

/* All channels of one output pixel, whose taps inside the image are those of rows `ky` and columns `kx`. */
E8_INLINE void e8_depthwise_s8__ref_pixel(const e8_depthwise_s8_params *q, const e8_linear_ref *k,
                                          const e8_rows *in, e8_taps ky, e8_taps kx, e8_s8 *to)
{
    const e8_len outs = q->out_ch, multiplier = outs / q->in_ch, step = q->dil_x * in->pixel;
    const e8_s16 first_slot = e8_slot(in, (e8_s16)ky.at);
    e8_len from = kx.at * in->pixel, weights = (ky.first * (e8_len)q->kw + kx.first) * outs,
           left = multiplier, o;

    for (o = 0; o < outs; o++, weights++) {
        e8_s32 acc = k->bias[o];
        e8_s16 slot = first_slot, t, u;

        for (t = 0; t < ky.n; t++, slot = e8_slot_below(in, slot, q->dil_y)) {
            const e8_s8 *x = (const e8_s8 *)in->base + slot * in->row + from;
            const e8_s8 E8_ROM *v = k->weights + weights + t * q->kw * outs;

            for (u = 0; u < kx.n; u++)
                acc += (e8_s32)(x[u * step] - q->zp_in) * v[u * outs];
        }
        to[o] =
            e8_requantise_s8(acc, k->mult[o], q->acc_lshift, q->out_c, q->out_rshift, q->act_min, q->act_max);
        if (--left == 0) {
            left = multiplier;
            from += in->plane;
        }
    }
}

E8_KERNEL void e8_depthwise_s8__ref(const e8_depthwise_s8_params E8_ROM *p, const void E8_ROM *w,
                                    const e8_call *at)
{
    /* Copies, because a store through e8_s8 may change whatever is not a local. */
    const e8_depthwise_s8_params q = *p;
    const e8_linear_ref k = *(const e8_linear_ref E8_ROM *)w;
    const e8_rows in = at->in[0], out = at->out[0];
    const e8_s16 end = (e8_s16)(at->y + at->n);
    e8_s16 y;

    for (y = at->y; y < end; y++) {
        const e8_taps ky = e8_taps_inside((e8_s32)y * q.stride_y - q.pad_top, q.dil_y, q.kh, q.in_h);
        e8_s8 *to = e8_out_s8(&out, y);
        e8_s32 left = -q.pad_left;
        e8_len x;

        for (x = 0; x < q.out_w; x++, left += q.stride_x)
            e8_depthwise_s8__ref_pixel(&q, &k, &in, ky, e8_taps_inside(left, q.dil_x, q.kw, q.in_w),
                                       to + x * out.pixel);
    }
}
