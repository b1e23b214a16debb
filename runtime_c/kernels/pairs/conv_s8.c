/* SPDX-License-Identifier: 0BSD */
/* Convolution in tiles of four output channels of two pixels: eight sums in registers, for cores with thirteen or
 * more of them and no SIMD.
 *
 *     acc = bias[o] + sum((x - zp_in) * w[o])      taps outside the image add nothing
 *     y[o] = clamp((mulhi(acc << acc_lshift, mult[o]) + out_c) >> out_rshift)
 *
 * The arithmetic, the constants and their order are those of tiles/conv_s8.c. Pairs go on from row to row of a
 * launch; an odd last pixel is its own partner.
 *
 * w: e8_linear_tiles, weights [groups][outputs / 4, rounded up][taps][4].
 * scratch: e8_u8 [groups][taps][2].
 * Ranges: the twin accepts max|k.bias| + 255 * 255 * taps < 2^31, so no partial sum leaves 32 bits.
 * Facts: reads planes; all taps of two pixels are read before either is written. */
#include "e8_conv.h"
#include "e8_gather.h"
#include "e8_math.h"
#include "e8_rows.h"
#include "e8_tiles.h"

/* One tap of four outputs of two pixels. */
E8_WITHIN void e8_conv_s8__pairs_tap(e8_tile *t, e8_tile *u, const e8_u8 *x, const e8_u8 E8_ROM *w)
{
    e8_tile_add(t, x[0], w);
    e8_tile_add(u, x[1], w);
}

/* sum(x * w) of four outputs of two pixels. Taps in fours, written out: GCC's unrolling would spill here, as would
 * the fours themselves when it optimises for size. */
E8_APART void e8_conv_s8__pairs_sums(e8_s32 *first, e8_s32 *second, const e8_u8 *x, e8_len taps,
                                     const e8_u8 E8_ROM *w)
{
    const e8_u8 *const end = x + 2 * taps, *const fours = E8_FOR_SIZE ? x : end - 2 * (taps & 3);
    e8_tile t = {0, 0, 0, 0}, u = {0, 0, 0, 0};

    for (; x != fours; x += 8, w += 16) {
        e8_conv_s8__pairs_tap(&t, &u, x, w);
        e8_conv_s8__pairs_tap(&t, &u, x + 2, w + 4);
        e8_conv_s8__pairs_tap(&t, &u, x + 4, w + 8);
        e8_conv_s8__pairs_tap(&t, &u, x + 6, w + 12);
    }
    for (; x != end; x += 2, w += 4)
        e8_conv_s8__pairs_tap(&t, &u, x, w);
    e8_tile_store(&t, first);
    e8_tile_store(&u, second);
}

/* The outputs of one group of channels of both pixels: those from `first` on, whose taps are at x. */
E8_INLINE void e8_conv_s8__pairs_group(e8_s8 *const *to, const e8_u8 *x, e8_len taps, const e8_u8 E8_ROM *w,
                                       const e8_linear_tiles *k, e8_len first, e8_len outs,
                                       const e8_tiles_scale *scale)
{
    const e8_s32 less[2] = {128 * e8_tiles_total(x, 2, taps), 128 * e8_tiles_total(x + 1, 2, taps)};
    e8_s32 sums[2][E8_TILES_BLOCK];
    e8_len o, n, i;

    for (o = 0; o < outs; o += n) {
        n = outs - o < E8_TILES_BLOCK ? outs - o : E8_TILES_BLOCK;
        for (i = 0; i < n; i += 4, w += 4 * taps)
            e8_conv_s8__pairs_sums(sums[0] + i, sums[1] + i, x, taps, w);
        for (i = 0; i < 2 && to[i]; i++)
            e8_tiles_write(to[i] + first + o, sums[i], less[i], k->bias + first + o, k->mult + first + o, n,
                           scale);
    }
}

E8_KERNEL void e8_conv_s8__pairs(const e8_conv_s8_params E8_ROM *p, const void E8_ROM *w, const e8_call *at)
{
    /* Copies, because a store through e8_s8 may change whatever is not a local. */
    const e8_conv_s8_params q = *p;
    const e8_linear_tiles k = *(const e8_linear_tiles E8_ROM *)w;
    const e8_tiles_scale scale = {q.out_c, q.acc_lshift, q.out_rshift, q.act_min, q.act_max};
    const e8_rows in = at->in[0], out = at->out[0];
    const e8_len taps = (e8_len)q.kh * q.kw * (q.in_ch / q.groups);
    const e8_len outs = q.out_ch / q.groups, group = (outs + 3) / 4 * 4 * taps;
    e8_u8 *const x = at->scratch;
    e8_s32 left;
    e8_s16 y = at->y, i = 0, g;

    for (left = (e8_s32)at->n * q.out_w; left > 0; left -= 2) {
        e8_s8 *to[2] = {0, 0};
        e8_s16 j;

        for (j = 0; j < 2; j++) {
            e8_gather_pixel(x + j, 2, &q, &in, y, i);
            if (j < left)
                to[j] = e8_out_s8(&out, y) + i * out.pixel;
            if (left - j > 1 && ++i == q.out_w) {
                i = 0;
                y++;
            }
        }
        for (g = 0; g < q.groups; g++)
            e8_conv_s8__pairs_group(to, x + 2 * g * taps, taps, k.weights + g * group, &k, g * outs, outs,
                                    &scale);
    }
}
