/* SPDX-License-Identifier: 0BSD */
/* Convolution with any kernel, stride, padding, dilation and groups.
 *
 *     acc = bias[o] + sum((x - zp_in) * w[o])      taps outside the image add nothing
 *     y[o] = clamp((mulhi(acc << acc_lshift, mult[o]) + out_c) >> out_rshift)
 *
 * w: e8_linear_ref, weights [out_ch][kh][kw][in_ch / groups].
 * Ranges: |x - zp_in| <= 255, |w| <= 128; the compiler proves
 * |bias| + sum|(x - zp_in) * w| < 2^(31 - acc_lshift), so no partial sum leaves 32 bits.
 * Facts: reads planes; writes a pixel channel by channel and reads the pixel's inputs again for each. */
#include "e8_conv.h"
#include "e8_math.h"
#include "e8_ref.h"
#include "e8_rows.h"

/* sum((x - zp) * w) over `taps` pixels of a row, `step` apart, and their `depth` channels, `plane` apart. */
E8_INLINE e8_s32 e8_conv_s8__ref_sum(const e8_s8 *x, const e8_s8 E8_ROM *w, e8_len taps, e8_len step,
                                     e8_len depth, e8_len plane, e8_s16 zp)
{
    e8_s32 sum = 0;
    e8_len t, c;

    for (t = 0; t < taps; t++, w += depth) {
        const e8_s8 *v = x + t * step;

        if (plane == 1)
            for (c = 0; c < depth; c++)
                sum += (e8_s32)(v[c] - zp) * w[c];
        else
            for (c = 0; c < depth; c++)
                sum += (e8_s32)(v[c * plane] - zp) * w[c];
    }
    return sum;
}

/* All channels of one output pixel, whose taps inside the image are those of rows `ky` and columns `kx`. */
E8_INLINE void e8_conv_s8__ref_pixel(const e8_conv_s8_params *q, const e8_linear_ref *k, const e8_rows *in,
                                     e8_taps ky, e8_taps kx, e8_s8 *to)
{
    const e8_len depth = q->in_ch / q->groups, group_outs = q->out_ch / q->groups;
    const e8_len step = q->dil_x * in->pixel, kernel_row = q->kw * depth, kernel = q->kh * kernel_row;
    /* Taps that are neighbours in memory count as one tap with more channels. */
    const int joined = in->plane == 1 && step == depth;
    const e8_len taps = joined ? 1 : kx.n, run = joined ? kx.n * depth : depth;
    const e8_s16 first_slot = e8_slot(in, (e8_s16)ky.at);
    e8_len from = kx.at * in->pixel, weights = ky.first * kernel_row + kx.first * depth,
           group_left = group_outs, o;

    for (o = 0; o < q->out_ch; o++, weights += kernel) {
        e8_s32 acc = k->bias[o];
        e8_s16 slot = first_slot, t;

        for (t = 0; t < ky.n; t++, slot = e8_slot_below(in, slot, q->dil_y))
            acc += e8_conv_s8__ref_sum((const e8_s8 *)in->base + slot * in->row + from,
                                       k->weights + weights + t * kernel_row, taps, step, run, in->plane,
                                       q->zp_in);
        to[o] =
            e8_requantise_s8(acc, k->mult[o], q->acc_lshift, q->out_c, q->out_rshift, q->act_min, q->act_max);
        if (--group_left == 0) {
            group_left = group_outs;
            from += depth * in->plane;
        }
    }
}

E8_KERNEL void e8_conv_s8__ref(const e8_conv_s8_params E8_ROM *p, const void E8_ROM *w, const e8_call *at)
{
    /* Copies, because a store through e8_s8 may change whatever is not a local. */
    const e8_conv_s8_params q = *p;
    const e8_linear_ref k = *(const e8_linear_ref E8_ROM *)w;
    const e8_rows in = at->in[0], out = at->out[0];
    const int pointwise = q.kh == 1 && q.kw == 1 && q.stride_y == 1 && q.stride_x == 1 && q.pad_top == 0 &&
                          q.pad_left == 0 && q.in_w == q.out_w;
    const e8_s16 end = (e8_s16)(at->y + at->n);
    e8_s16 y, rows;

    for (y = at->y; y < end; y = (e8_s16)(y + rows)) {
        const e8_taps ky = e8_taps_inside((e8_s32)y * q.stride_y - q.pad_top, q.dil_y, q.kh, q.in_h);
        e8_s8 *to = e8_out_s8(&out, y);
        e8_s32 left = -q.pad_left;
        e8_len x;

        /* Where every pixel stands for itself, rows that follow each other in memory are one long row. */
        rows = 1;
        if (pointwise && y < q.in_h)
            rows = e8_run(&in, &out, q.in_w, y, (e8_s16)((end < q.in_h ? end : q.in_h) - y));
        for (x = 0; x < (e8_len)q.out_w * rows; x++, left += q.stride_x)
            e8_conv_s8__ref_pixel(&q, &k, &in, ky, e8_taps_inside(left, q.dil_x, q.kw, (e8_len)q.in_w * rows),
                                  to + x * out.pixel);
    }
}
