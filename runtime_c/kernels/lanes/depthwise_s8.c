/* SPDX-License-Identifier: 0BSD */
/* Depthwise convolution in lanes, without a channel multiplier: output channel o reads input channel o.
 *
 *     acc = bias[o] + sum((x - zp_in) * w[o])      taps outside the image add nothing
 *     y[o] = clamp((mulhi(acc << acc_lshift, mult[o]) + out_c) >> out_rshift)
 *
 * A pixel is made E8_LANES channels at a time, or half as many where it has fewer; the last ones may be made twice,
 * from inputs that are still there.
 * w: e8_linear_lanes, weights [kh][kw][out_ch]; out_ch >= E8_LANES / 2.
 * Ranges: |x - zp_in| <= 255, |w| <= 128; the compiler proves
 * |bias| + sum|(x - zp_in) * w| < 2^(31 - acc_lshift), so no partial sum leaves 32 bits.
 * Stack: 64 bytes of arrays.
 * Facts: reads no planes; reads an input channel again after writing the output channel made from it. */
#include "e8_depthwise.h"
#include "e8_lanes.h"
#include "e8_math.h"
#include "e8_rows.h"

/* Output channels o .. o+n-1 of a pixel, n <= E8_LANES; `from` is its first tap in slot 0. */
E8_INLINE void e8_depthwise_s8__lanes_block(const e8_depthwise_s8_params *q, const e8_linear_lanes *k,
                                            const e8_rows *in, e8_taps ky, e8_taps kx, const e8_s8 *from,
                                            e8_s8 *to, e8_len o, e8_len n)
{
    const e8_len outs = q->out_ch, step = q->dil_x * in->pixel;
    e8_s16 slot = e8_slot(in, (e8_s16)ky.at), t, u;
    e8_s32 acc[E8_LANES];
    e8_len i;

    e8_lanes_load(acc, k->bias + o, n);
    for (t = 0; t < ky.n; t++, slot = e8_slot_below(in, slot, q->dil_y)) {
        const e8_s8 *x = from + slot * in->row + o;
        const e8_s8 E8_ROM *w = k->weights + ((ky.first + t) * (e8_len)q->kw + kx.first) * outs + o;

        for (u = 0; u < kx.n; u++, x += step, w += outs) {
            E8_KEEP_LOOP
            for (i = 0; i < n; i++)
                acc[i] += e8_product_s16((e8_s16)(x[i] - q->zp_in), w[i]);
        }
    }
    e8_lanes_requantise(acc, k->mult + o, n, q->acc_lshift, q->out_c, q->out_rshift, q->act_min, q->act_max);
    E8_KEEP_LOOP
    for (i = 0; i < n; i++)
        to[o + i] = (e8_s8)acc[i];
}

/* All channels of one output pixel, whose taps inside the image are those of rows `ky` and columns `kx`. */
E8_INLINE void e8_depthwise_s8__lanes_pixel(const e8_depthwise_s8_params *q, const e8_linear_lanes *k,
                                            const e8_rows *in, e8_taps ky, e8_taps kx, e8_s8 *to)
{
    const e8_s8 *from = (const e8_s8 *)in->base + kx.at * in->pixel;
    const e8_len outs = q->out_ch;
    e8_len o;

    if (outs >= E8_LANES) {
        for (o = 0; o + E8_LANES < outs; o += E8_LANES)
            e8_depthwise_s8__lanes_block(q, k, in, ky, kx, from, to, o, E8_LANES);
        e8_depthwise_s8__lanes_block(q, k, in, ky, kx, from, to, outs - E8_LANES, E8_LANES);
    } else {
        if (outs > E8_LANES / 2)
            e8_depthwise_s8__lanes_block(q, k, in, ky, kx, from, to, 0, E8_LANES / 2);
        e8_depthwise_s8__lanes_block(q, k, in, ky, kx, from, to, outs - E8_LANES / 2, E8_LANES / 2);
    }
}

E8_KERNEL void e8_depthwise_s8__lanes(const e8_depthwise_s8_params E8_ROM *p, const void E8_ROM *w,
                                      const e8_call *at)
{
    /* Copies, because a store through e8_s8 may change whatever is not a local. */
    const e8_depthwise_s8_params q = *p;
    const e8_linear_lanes k = *(const e8_linear_lanes E8_ROM *)w;
    const e8_rows in = at->in[0], out = at->out[0];
    const e8_s16 end = (e8_s16)(at->y + at->n);
    e8_s16 y;

    for (y = at->y; y < end; y++) {
        const e8_taps ky = e8_taps_inside((e8_s32)y * q.stride_y - q.pad_top, q.dil_y, q.kh, q.in_h);
        e8_s8 *to = e8_out_s8(&out, y);
        e8_s32 left = -q.pad_left;
        e8_len x;

        for (x = 0; x < q.out_w; x++, left += q.stride_x)
            e8_depthwise_s8__lanes_pixel(&q, &k, &in, ky, e8_taps_inside(left, q.dil_x, q.kw, q.in_w),
                                         to + x * out.pixel);
    }
}
