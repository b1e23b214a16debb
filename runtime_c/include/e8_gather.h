/* SPDX-License-Identifier: 0BSD */
/* The taps of a convolution's pixels, copied so that a tile reads them in one run.
 *
 * They become x + 128, unsigned: a byte load that Thumb-1 can do with an offset. Taps outside the image are zp_in,
 * as if the image went on. `every` is how many pixels lie interleaved in the copy. */
#ifndef E8_GATHER_H
#define E8_GATHER_H

#include "e8_conv.h"
#include "e8_rows.h"

/* n taps that lie `step` apart. */
E8_INLINE e8_u8 *e8_gather_copy(e8_u8 *to, e8_len every, const e8_s8 *x, e8_len step, e8_len n)
{
    e8_len i;

    for (i = 0; i < n; i++)
        to[i * every] = (e8_u8)(x[i * step] + 128);
    return to + n * every;
}

/* n taps outside the image. */
E8_INLINE e8_u8 *e8_gather_outside(e8_u8 *to, e8_len every, const e8_conv_s8_params *q, e8_len n)
{
    e8_len i;

    for (i = 0; i < n; i++)
        to[i * every] = (e8_u8)(q->zp_in + 128);
    return to + n * every;
}

/* One row of taps: `depth` channels of kw pixels, of which those of `kx` are inside the image. */
E8_INLINE e8_u8 *e8_gather_row(e8_u8 *to, e8_len every, const e8_s8 *x, const e8_conv_s8_params *q,
                               const e8_rows *in, e8_taps kx, e8_len depth)
{
    const e8_len step = q->dil_x * in->pixel;
    e8_s16 t;

    to = e8_gather_outside(to, every, q, kx.first * depth);
    if (in->plane == 1 && step == depth) /* neighbours in memory: one run */
        to = e8_gather_copy(to, every, x, 1, kx.n * depth);
    else
        for (t = 0; t < kx.n; t++)
            to = e8_gather_copy(to, every, x + t * step, in->plane, depth);
    return e8_gather_outside(to, every, q, (q->kw - kx.first - kx.n) * depth);
}

/* The taps [groups][kh][kw][in_ch / groups] of the pixel in row y and column x of the output. */
E8_INLINE void e8_gather_pixel(e8_u8 *to, e8_len every, const e8_conv_s8_params *q, const e8_rows *in,
                               e8_s16 y, e8_s16 x)
{
    const e8_taps ky = e8_taps_inside((e8_s32)y * q->stride_y - q->pad_top, q->dil_y, q->kh, q->in_h);
    const e8_taps kx = e8_taps_inside((e8_s32)x * q->stride_x - q->pad_left, q->dil_x, q->kw, q->in_w);
    const e8_len depth = q->in_ch / q->groups, row = q->kw * depth;
    const e8_s8 *from = (const e8_s8 *)in->base + kx.at * in->pixel;
    e8_s16 g, t;

    for (g = 0; g < q->groups; g++, from += depth * in->plane) {
        e8_s16 slot = e8_slot(in, (e8_s16)ky.at);

        to = e8_gather_outside(to, every, q, ky.first * row);
        for (t = 0; t < ky.n; t++, slot = e8_slot_below(in, slot, q->dil_y))
            to = e8_gather_row(to, every, from + slot * in->row, q, in, kx, depth);
        to = e8_gather_outside(to, every, q, (q->kh - ky.first - ky.n) * row);
    }
}

#endif
