/* SPDX-License-Identifier: 0BSD */
/* Convolution in tiles of four output channels of a pixel: sums and operands fit the eight low registers of a
 * Cortex-M0.
 *
 *     acc = bias[o] + sum((x - zp_in) * w[o])      taps outside the image add nothing
 *     y[o] = clamp((mulhi(acc << acc_lshift, mult[o]) + out_c) >> out_rshift)
 *
 * A pixel's taps are gathered in scratch, as x + 128; with weights that are unsigned too,
 *
 *     acc = sum((x + 128) * (w[o] + 128)) - 128 * sum(x + 128) + k.bias[o]
 *     k.bias[o] = bias[o] - (zp_in + 128) * sum(w[o])
 *
 * w: e8_linear_tiles, weights [groups][outputs / 4, rounded up][taps][4].
 * scratch: e8_u8 [groups][taps].
 * Ranges: the twin accepts max|k.bias| + 255 * 255 * taps < 2^31, so no partial sum leaves 32 bits.
 * Facts: reads planes; all taps of a pixel are read before the pixel is written. */
#include "e8_conv.h"
#include "e8_gather.h"
#include "e8_math.h"
#include "e8_rows.h"
#include "e8_tiles.h"

/* sum(x * w) of four outputs. */
E8_APART void e8_conv_s8__tiles_sums(e8_s32 *sums, const e8_u8 *x, const e8_u8 *end, const e8_u8 E8_ROM *w)
{
    e8_tile t = {0, 0, 0, 0};

    E8_UNROLL(4)
    for (; x != end; x++, w += 4)
        e8_tile_add(&t, *x, w);
    e8_tile_store(&t, sums);
}

/* The outputs of one group of channels of a pixel: those from `first` on, whose taps are at x. */
E8_INLINE void e8_conv_s8__tiles_group(e8_s8 *to, const e8_u8 *x, e8_len taps, const e8_u8 E8_ROM *w,
                                       const e8_linear_tiles *k, e8_len first, e8_len outs,
                                       const e8_tiles_scale *scale)
{
    const e8_s32 less = 128 * e8_tiles_total(x, 1, taps);
    e8_s32 sums[E8_TILES_BLOCK];
    e8_len o, n, i;

    for (o = 0; o < outs; o += n) {
        n = outs - o < E8_TILES_BLOCK ? outs - o : E8_TILES_BLOCK;
        for (i = 0; i < n; i += 4, w += 4 * taps)
            e8_conv_s8__tiles_sums(sums + i, x, x + taps, w);
        e8_tiles_write(to + o, sums, less, k->bias + first + o, k->mult + first + o, n, scale);
    }
}

E8_KERNEL void e8_conv_s8__tiles(const e8_conv_s8_params E8_ROM *p, const void E8_ROM *w, const e8_call *at)
{
    /* Copies, because a store through e8_s8 may change whatever is not a local. */
    const e8_conv_s8_params q = *p;
    const e8_linear_tiles k = *(const e8_linear_tiles E8_ROM *)w;
    const e8_tiles_scale scale = {q.out_c, q.acc_lshift, q.out_rshift, q.act_min, q.act_max};
    const e8_rows in = at->in[0], out = at->out[0];
    const e8_len taps = (e8_len)q.kh * q.kw * (q.in_ch / q.groups);
    const e8_len outs = q.out_ch / q.groups, group = (outs + 3) / 4 * 4 * taps;
    const e8_s16 end = (e8_s16)(at->y + at->n);
    e8_u8 *const x = at->scratch;
    e8_s16 y, i, g;

    for (y = at->y; y < end; y++) {
        e8_s8 *to = e8_out_s8(&out, y);

        for (i = 0; i < q.out_w; i++, to += out.pixel) {
            e8_gather_pixel(x, 1, &q, &in, y, i);
            for (g = 0; g < q.groups; g++)
                e8_conv_s8__tiles_group(to + g * outs, x + g * taps, taps, k.weights + g * group, &k,
                                        g * outs, outs, &scale);
        }
    }
}
