/* SPDX-License-Identifier: 0BSD */
/* Depthwise convolution with a channel multiplier: output channel o reads input channel o / (out_ch / in_ch).
 *
 *     acc = bias[o] + sum((x - zp_in) * w[o])      taps outside the image add nothing
 *     y[o] = clamp((mulhi(acc << acc_lshift, mult[o]) + out_c) >> out_rshift)
 *
 * A pixel's taps are a list of pointers; one that is outside the image points to a pixel of zp_in in scratch.
 * Then acc = sum(x * w[o]) + k.bias[o] everywhere, k.bias[o] = bias[o] - zp_in * sum(w[o]).
 *
 * w: e8_depthwise_tiles, weights [out_ch][kh][kw].
 * scratch: e8_s8 [in_ch].
 * Ranges: the twin accepts max|k.bias| + 128 * 128 * taps < 2^31, so no partial sum leaves 32 bits.
 * Facts: writes a pixel channel by channel; with a multiplier above 1 it reads an input channel again after
 * writing an output channel made from it. */
#include "e8_depthwise.h"
#include "e8_math.h"
#include "e8_rows.h"
#include "e8_tiles.h"

enum { E8_DEPTHWISE_S8__TILES_MOST_TAPS = 25 }; /* the twin accepts no more */

/* Where the taps of a pixel lie: those of rows `ky` and columns `kx` in the image, the others at `outside`. */
E8_INLINE void e8_depthwise_s8__tiles_taps(const e8_s8 **tap, const e8_depthwise_s8_params *q,
                                           const e8_rows *in, e8_taps ky, e8_taps kx, const e8_s8 *outside)
{
    const e8_len step = q->dil_x * in->pixel;
    e8_s16 slot = e8_slot(in, (e8_s16)ky.at), y, x;

    for (y = 0; y < q->kh; y++) {
        const int inside = y >= ky.first && y - ky.first < ky.n;
        e8_len at = slot * in->row + (kx.at - kx.first * (e8_len)q->dil_x) * in->pixel;

        for (x = 0; x < q->kw; x++, at += step)
            *tap++ = inside && x >= kx.first && x - kx.first < kx.n ? (const e8_s8 *)in->base + at : outside;
        if (inside)
            slot = e8_slot_below(in, slot, q->dil_y);
    }
}

/* All taps are inside the image, and stay there. */
E8_INLINE void e8_depthwise_s8__tiles_move(const e8_s8 **tap, e8_len taps, e8_len step)
{
    e8_len t;

    for (t = 0; t < taps; t++)
        tap[t] += step;
}

/* The sums of channels c .. c+n-1 of nine taps. */
E8_APART void e8_depthwise_s8__tiles_nine(e8_s32 *sums, const e8_s8 *const *tap, e8_len c,
                                          const e8_s8 E8_ROM *w, e8_len n)
{
    e8_s32 *const end = sums + n;

    for (; sums != end; c++, w += 9) {
        e8_s32 sum = 0;
        e8_s16 t;

        E8_UNROLL(9)
        for (t = 0; t < 9; t++) {
            e8_s32 product = tap[t][c]; /* in the place of its factor, where registers are few */

            product *= w[t];
            sum += product;
        }
        *sums++ = sum;
    }
}

/* The sums of outputs o .. o+n-1 of any number of taps, with any multiplier. */
E8_APART void e8_depthwise_s8__tiles_any(e8_s32 *sums, const e8_s8 *const *tap, e8_len taps, e8_len o,
                                         e8_len multiplier, const e8_s8 E8_ROM *w, e8_len n)
{
    e8_len i, t;

    for (i = 0; i < n; i++) {
        const e8_len c = (o + i) / multiplier;
        e8_s32 sum = 0;

        for (t = 0; t < taps; t++)
            sum += (e8_s32)tap[t][c] * *w++;
        sums[i] = sum;
    }
}

/* All channels of one output pixel. */
E8_INLINE void e8_depthwise_s8__tiles_pixel(const e8_depthwise_s8_params *q, const e8_depthwise_tiles *k,
                                            const e8_s8 *const *tap, e8_s8 *to, const e8_tiles_scale *scale)
{
    const e8_len taps = (e8_len)q->kh * q->kw, outs = q->out_ch, multiplier = outs / q->in_ch;
    e8_s32 sums[E8_TILES_BLOCK];
    e8_len o, n;

    for (o = 0; o < outs; o += n) {
        n = outs - o < E8_TILES_BLOCK ? outs - o : E8_TILES_BLOCK;
        if (taps == 9 && multiplier == 1)
            e8_depthwise_s8__tiles_nine(sums, tap, o, k->weights + 9 * o, n);
        else
            e8_depthwise_s8__tiles_any(sums, tap, taps, o, multiplier, k->weights + taps * o, n);
        e8_tiles_write(to + o, sums, 0, k->bias + o, k->mult + o, n, scale);
    }
}

E8_KERNEL void e8_depthwise_s8__tiles(const e8_depthwise_s8_params E8_ROM *p, const void E8_ROM *w,
                                      const e8_call *at)
{
    /* Copies, because a store through e8_s8 may change whatever is not a local. */
    const e8_depthwise_s8_params q = *p;
    const e8_depthwise_tiles k = *(const e8_depthwise_tiles E8_ROM *)w;
    const e8_rows in = at->in[0], out = at->out[0];
    const e8_s16 end = (e8_s16)(at->y + at->n);
    const e8_tiles_scale scale = {q.out_c, q.acc_lshift, q.out_rshift, q.act_min, q.act_max};
    const e8_s8 *tap[E8_DEPTHWISE_S8__TILES_MOST_TAPS];
    const e8_len taps = (e8_len)q.kh * q.kw;
    const e8_s32 reach = (q.kw - 1) * (e8_s32)q.dil_x;
    e8_s8 *const outside = at->scratch;
    e8_s16 y, i;

    for (i = 0; i < q.in_ch; i++)
        outside[i] = (e8_s8)q.zp_in;
    for (y = at->y; y < end; y++) {
        const e8_taps ky = e8_taps_inside((e8_s32)y * q.stride_y - q.pad_top, q.dil_y, q.kh, q.in_h);
        e8_s8 *to = e8_out_s8(&out, y);
        e8_s32 left = -q.pad_left;
        int inside = 0; /* are all taps of the pixel before? */

        for (i = 0; i < q.out_w; i++, left += q.stride_x, to += out.pixel) {
            if (inside && left + reach < q.in_w)
                e8_depthwise_s8__tiles_move(tap, taps, q.stride_x * in.pixel);
            else {
                const e8_taps kx = e8_taps_inside(left, q.dil_x, q.kw, q.in_w);

                e8_depthwise_s8__tiles_taps(tap, &q, &in, ky, kx, outside);
                inside = ky.n == q.kh && kx.n == q.kw;
            }
            e8_depthwise_s8__tiles_pixel(&q, &k, tap, to, &scale);
        }
    }
}
