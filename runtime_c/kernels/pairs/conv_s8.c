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
#include "e8_pairs.h"
#include "e8_rows.h"

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
        for (g = 0; g < q.groups; g++) {
            const e8_u8 *const from = x + 2 * g * taps;
            const e8_s32 totals[2] = {e8_tiles_total(from, 2, taps), e8_tiles_total(from + 1, 2, taps)};

            e8_pairs_group(to, from, totals, taps, k.weights + g * group, &k, g * outs, outs, &scale);
        }
    }
}
