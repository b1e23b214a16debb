/* SPDX-License-Identifier: 0BSD */
/* Depthwise convolution with a channel multiplier: output channel o reads input channel o / (out_ch / in_ch).
 *
 *     acc = bias[o] + sum((x - zp_in) * w[o])      taps outside the image add nothing
 *     y[o] = clamp((mulhi(acc << acc_lshift, mult[o]) + out_c) >> out_rshift)
 *
 * w: e8_linear_ref, weights [kh][kw][out_ch].
 * Ranges: |x - zp_in| <= 255, |w| <= 128; the compiler proves
 * |bias| + sum|(x - zp_in) * w| < 2^(31 - acc_lshift), so no partial sum leaves 32 bits.
 * Facts: reads planes; writes up to E8_LANES channels of a pixel after their last read; with a multiplier above 1
 * it reads an input channel again after writing an output channel made from it. */
#include "e8_depthwise.h"
#include "e8_math.h"
#include "e8_ref.h"
#include "e8_rows.h"

/* Output channels o .. o+n-1 of a pixel, n <= E8_LANES; `from` is channel 0 of its first input in slot 0.
 * `neighbours`: the lanes' inputs lie side by side, one for each. */
E8_INLINE void e8_depthwise_s8__ref_lanes(const e8_depthwise_s8_params *q, const e8_linear_ref *k,
                                          const e8_rows *in, e8_taps ky, e8_taps kx, const e8_s8 *from,
                                          e8_s8 *to, e8_len o, e8_len n, int neighbours)
{
    const e8_len outs = q->out_ch, multiplier = neighbours ? 1 : outs / q->in_ch, step = q->dil_x * in->pixel;
    const e8_len first = o / multiplier;
    e8_s16 slot = e8_slot(in, (e8_s16)ky.at), t, u;
    e8_s32 acc[E8_LANES];
    e8_len i;

    for (i = 0; i < n; i++)
        acc[i] = k->bias[o + i];
    for (t = 0; t < ky.n; t++, slot = e8_slot_below(in, slot, q->dil_y)) {
        const e8_s8 *x = from + slot * in->row + first * in->plane;
        const e8_s8 E8_ROM *w = k->weights + ((ky.first + t) * (e8_len)q->kw + kx.first) * outs + o;

        for (u = 0; u < kx.n; u++, x += step, w += outs)
            if (neighbours) {
                E8_KEEP_LOOP
                for (i = 0; i < n; i++)
                    acc[i] += e8_product_s16((e8_s16)(x[i] - q->zp_in), w[i]);
            } else {
                for (i = 0; i < n; i++)
                    acc[i] += e8_product_s16(
                        (e8_s16)(x[((o + i) / multiplier - first) * in->plane] - q->zp_in), w[i]);
            }
    }
    for (i = 0; i < n; i++)
        to[o + i] = e8_requantise_s8(acc[i], k->mult[o + i], q->acc_lshift, q->out_c, q->out_rshift,
                                     q->act_min, q->act_max);
}

/* All channels of one output pixel, whose taps inside the image are those of rows `ky` and columns `kx`. */
E8_INLINE void e8_depthwise_s8__ref_pixel(const e8_depthwise_s8_params *q, const e8_linear_ref *k,
                                          const e8_rows *in, e8_taps ky, e8_taps kx, e8_s8 *to)
{
    const e8_s8 *from = (const e8_s8 *)in->base + kx.at * in->pixel;
    const int neighbours = E8_LANES > 1 && in->plane == 1 && q->in_ch == q->out_ch;
    e8_len left = q->out_ch, o, n;

    for (o = 0; left; o += n, left -= n)
        if (!neighbours)
            e8_depthwise_s8__ref_lanes(q, k, in, ky, kx, from, to, o, n = 1, 0);
        else if (left >= E8_LANES)
            e8_depthwise_s8__ref_lanes(q, k, in, ky, kx, from, to, o, n = E8_LANES, 1);
        else if (left >= 32)
            e8_depthwise_s8__ref_lanes(q, k, in, ky, kx, from, to, o, n = 32, 1);
        else if (left >= 16)
            e8_depthwise_s8__ref_lanes(q, k, in, ky, kx, from, to, o, n = 16, 1);
        else if (left >= 8)
            e8_depthwise_s8__ref_lanes(q, k, in, ky, kx, from, to, o, n = 8, 1);
        else
            e8_depthwise_s8__ref_lanes(q, k, in, ky, kx, from, to, o, n = left, 1);
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
