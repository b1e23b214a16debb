/* SPDX-License-Identifier: 0BSD */
/* Convolution in lanes, without groups: any kernel, stride, padding and dilation.
 *
 *     acc = bias[o] + sum((x - zp_in) * w[o])      taps outside the image add nothing
 *     y[o] = clamp((mulhi(acc << acc_lshift, mult[o]) + out_c) >> out_rshift)
 *
 * A tile is E8_LANES output channels of four neighbouring pixels whose windows lie inside the image's width, or of
 * one pixel elsewhere. A block of weights serves all pixels of a tile, and an input all lanes.
 * w: e8_linear_lanes, weights [blocks][kh][kw][in_ch][E8_LANES], bias and mult [blocks][E8_LANES]; where out_ch is
 * no multiple of E8_LANES the rest of the last block is 0, and is not written.
 * Ranges: |x - zp_in| <= 255, |w| <= 128; the compiler proves
 * |bias| + sum|(x - zp_in) * w| < 2^(31 - acc_lshift), so no partial sum leaves 32 bits.
 * Stack: 896 bytes of arrays.
 * Facts: reads planes; writes up to E8_LANES channels of a tile and reads the tile's inputs again for the next. */
#include "e8_conv.h"
#include "e8_lanes.h"
#include "e8_math.h"
#include "e8_rows.h"

enum {
    E8_CONV_S8__LANES_PIXELS = 4, /* of a tile */
    E8_CONV_S8__LANES_DEPTH = 8   /* input channels whose factors are widened together */
};

/* Adds E8_CONV_S8__LANES_DEPTH input channels, `plane` apart, of pixels that are `next` apart. Both factors are
 * widened first, so that the sums take whole vectors. */
E8_INLINE void e8_conv_s8__lanes_add(e8_s32 (*acc)[E8_LANES], e8_len pixels, const e8_s8 *x, e8_len next,
                                     e8_len plane, e8_s16 zp, const e8_s8 E8_ROM *w)
{
    e8_s32 input[E8_CONV_S8__LANES_PIXELS][E8_CONV_S8__LANES_DEPTH];
    e8_s32 weight[E8_CONV_S8__LANES_DEPTH * E8_LANES];
    e8_len p, c, i;

    for (p = 0; p < pixels; p++)
        for (c = 0; c < E8_CONV_S8__LANES_DEPTH; c++)
            input[p][c] = (e8_s32)x[p * next + c * plane] - zp;
    for (i = 0; i < E8_CONV_S8__LANES_DEPTH * E8_LANES; i++)
        weight[i] = w[i];
    for (c = 0; c < E8_CONV_S8__LANES_DEPTH; c++)
        for (p = 0; p < pixels; p++) {
            E8_KEEP_LOOP
            for (i = 0; i < E8_LANES; i++)
                acc[p][i] += input[p][c] * weight[c * E8_LANES + i];
        }
}

/* Adds n input channels, one by one. */
E8_INLINE void e8_conv_s8__lanes_add_few(e8_s32 (*acc)[E8_LANES], e8_len pixels, const e8_s8 *x, e8_len next,
                                         e8_len plane, e8_s16 zp, const e8_s8 E8_ROM *w, e8_len n)
{
    e8_len p, c, i;

    for (c = 0; c < n; c++, x += plane, w += E8_LANES)
        for (p = 0; p < pixels; p++) {
            const e8_s16 input = (e8_s16)(x[p * next] - zp);

            E8_KEEP_LOOP
            for (i = 0; i < E8_LANES; i++)
                acc[p][i] += e8_product_s16(input, w[i]);
        }
}

/* Output channels o .. o+E8_LANES-1 of `pixels` pixels, as far as there are so many channels; `ky` and `kx` are the
 * taps of the first pixel that lie inside the image. */
E8_INLINE void e8_conv_s8__lanes_tile(const e8_conv_s8_params *q, const e8_linear_lanes *k, const e8_rows *in,
                                      e8_taps ky, e8_taps kx, e8_s8 *to, e8_len to_next, e8_len o,
                                      e8_len pixels)
{
    const e8_len depth = q->in_ch, step = q->dil_x * in->pixel, next = q->stride_x * in->pixel;
    /* Taps that are neighbours in memory count as one tap with more channels. */
    const int joined = in->plane == 1 && step == depth;
    const e8_len taps = joined ? 1 : kx.n, run = joined ? kx.n * depth : depth;
    const e8_len lanes = q->out_ch - o < E8_LANES ? q->out_ch - o : E8_LANES;
    e8_s32 acc[E8_CONV_S8__LANES_PIXELS][E8_LANES];
    e8_s16 slot = e8_slot(in, (e8_s16)ky.at), t;
    e8_len p, i, u, c;

    for (p = 0; p < pixels; p++)
        e8_lanes_load(acc[p], k->bias + o, E8_LANES);
    for (t = 0; t < ky.n; t++, slot = e8_slot_below(in, slot, q->dil_y)) {
        const e8_s8 *x = (const e8_s8 *)in->base + slot * in->row + kx.at * in->pixel;
        const e8_len tap = (ky.first + t) * (e8_len)q->kw + kx.first;
        const e8_s8 E8_ROM *w = k->weights + o * q->kh * q->kw * depth + tap * depth * E8_LANES;

        for (u = 0; u < taps; u++, x += step, w += run * E8_LANES) {
            for (c = 0; c + E8_CONV_S8__LANES_DEPTH <= run; c += E8_CONV_S8__LANES_DEPTH)
                e8_conv_s8__lanes_add(acc, pixels, x + c * in->plane, next, in->plane, q->zp_in,
                                      w + c * E8_LANES);
            e8_conv_s8__lanes_add_few(acc, pixels, x + c * in->plane, next, in->plane, q->zp_in,
                                      w + c * E8_LANES, run - c);
        }
    }
    for (p = 0; p < pixels; p++, to += to_next) {
        e8_lanes_requantise(acc[p], k->mult + o, E8_LANES, q->acc_lshift, q->out_c, q->out_rshift, q->act_min,
                            q->act_max);
        for (i = 0; i < lanes; i++)
            to[o + i] = (e8_s8)acc[p][i];
    }
}

/* All channels of `pixels` output pixels from x on, in an image of `width` columns. */
E8_INLINE void e8_conv_s8__lanes_pixels(const e8_conv_s8_params *q, const e8_linear_lanes *k,
                                        const e8_rows *in, e8_taps ky, e8_len x, e8_len width, e8_s8 *to,
                                        e8_len to_next, e8_len pixels)
{
    const e8_taps kx = e8_taps_inside((e8_s32)x * q->stride_x - q->pad_left, q->dil_x, q->kw, width);
    e8_len o;

    for (o = 0; o < q->out_ch; o += E8_LANES)
        e8_conv_s8__lanes_tile(q, k, in, ky, kx, to + x * to_next, to_next, o, pixels);
}

/* One output row: tiles of several pixels between the windows that leave the image's `width` columns. */
E8_INLINE void e8_conv_s8__lanes_row(const e8_conv_s8_params *q, const e8_linear_lanes *k, const e8_rows *in,
                                     e8_taps ky, e8_len width, e8_len out_width, e8_s8 *to, e8_len to_next)
{
    const e8_len room = width + q->pad_left - (q->kw - 1) * (e8_len)q->dil_x - 1;
    const e8_len first = (q->pad_left + q->stride_x - 1) / q->stride_x;
    const e8_len last = room / q->stride_x; /* at most 0 where no window fits, and then there is no tile */
    const e8_len tiles_end = (last < out_width ? last + 1 : out_width) - E8_CONV_S8__LANES_PIXELS;
    e8_len x;

    for (x = 0; x < out_width; x++) {
        for (; x >= first && x <= tiles_end; x += E8_CONV_S8__LANES_PIXELS)
            e8_conv_s8__lanes_pixels(q, k, in, ky, x, width, to, to_next, E8_CONV_S8__LANES_PIXELS);
        if (x < out_width)
            e8_conv_s8__lanes_pixels(q, k, in, ky, x, width, to, to_next, 1);
    }
}

E8_KERNEL void e8_conv_s8__lanes(const e8_conv_s8_params E8_ROM *p, const void E8_ROM *w, const e8_call *at)
{
    /* Copies, because a store through e8_s8 may change whatever is not a local. */
    const e8_conv_s8_params q = *p;
    const e8_linear_lanes k = *(const e8_linear_lanes E8_ROM *)w;
    const e8_rows in = at->in[0], out = at->out[0];
    const int pointwise = q.kh == 1 && q.kw == 1 && q.stride_y == 1 && q.stride_x == 1 && q.pad_top == 0 &&
                          q.pad_left == 0 && q.in_w == q.out_w;
    const e8_s16 end = (e8_s16)(at->y + at->n);
    e8_s16 y, rows;

    for (y = at->y; y < end; y = (e8_s16)(y + rows)) {
        const e8_taps ky = e8_taps_inside((e8_s32)y * q.stride_y - q.pad_top, q.dil_y, q.kh, q.in_h);

        /* Where every pixel stands for itself, rows that follow each other in memory are one long row. */
        rows = 1;
        if (pointwise && y < q.in_h)
            rows = e8_run(&in, &out, q.in_w, y, (e8_s16)((end < q.in_h ? end : q.in_h) - y));
        e8_conv_s8__lanes_row(&q, &k, &in, ky, (e8_len)q.in_w * rows, (e8_len)q.out_w * rows,
                              e8_out_s8(&out, y), out.pixel);
    }
}
