/* SPDX-License-Identifier: 0BSD */
/* Convolution by 1x1 windows at every pixel, in tiles of four output channels of two pixels: copying the taps of a
 * pixel is one loop, which adds them up too.
 *
 *     acc = bias[o] + sum((x - zp_in) * w[o])      a pixel outside the image adds nothing
 *     y[o] = clamp((mulhi(acc << acc_lshift, mult[o]) + out_c) >> out_rshift)
 *
 * The arithmetic, the constants and their order are those of tiles/conv_s8.c. Pairs go on from row to row of a
 * launch; an odd last pixel is its own partner.
 *
 * w: e8_linear_tiles, weights [outputs / 4, rounded up][in_ch][4].
 * scratch: e8_u8 [in_ch][2].
 * Ranges: the twin accepts max|k.bias| + 255 * 255 * in_ch < 2^31, so no partial sum leaves 32 bits.
 * Facts: all channels of two pixels are read before either is written. */
#include "e8_conv.h"
#include "e8_pairs.h"
#include "e8_rows.h"

/* Copy n channels of a pixel as x + 128 to every second place; returns their sum. */
E8_INLINE e8_s32 e8_conv_pointwise_s8__pairs_copy(e8_u8 *to, const e8_s8 *x, e8_len n)
{
    e8_s32 total = 0;
    e8_len c;

    E8_UNROLL(4)
    for (c = 0; c < n; c++) {
        const e8_u8 v = (e8_u8)(x[c] + 128);

        to[2 * c] = v;
        total += v;
    }
    return total;
}

/* The same of a pixel outside the image (right of it or below, where ONNX pads): n times zp_in. */
E8_INLINE e8_s32 e8_conv_pointwise_s8__pairs_outside(e8_u8 *to, e8_s16 zp_in, e8_len n)
{
    const e8_u8 v = (e8_u8)(zp_in + 128);
    e8_len c;

    for (c = 0; c < n; c++)
        to[2 * c] = v;
    return (e8_s32)n * v;
}

/* The channels of the pixel in row y and column x. */
E8_INLINE e8_s32 e8_conv_pointwise_s8__pairs_gather(e8_u8 *to, const e8_conv_s8_params *q, const e8_rows *in,
                                                    e8_s16 y, e8_s16 x)
{
    if (y >= q->in_h || x >= q->in_w)
        return e8_conv_pointwise_s8__pairs_outside(to, q->zp_in, q->in_ch);
    return e8_conv_pointwise_s8__pairs_copy(to, e8_in_s8(in, y) + x * in->pixel, q->in_ch);
}

E8_KERNEL void e8_conv_pointwise_s8__pairs(const e8_conv_s8_params E8_ROM *p, const void E8_ROM *w,
                                           const e8_call *at)
{
    /* Copies, because a store through e8_s8 may change whatever is not a local. */
    const e8_conv_s8_params q = *p;
    const e8_linear_tiles k = *(const e8_linear_tiles E8_ROM *)w;
    const e8_tiles_scale scale = {q.out_c, q.acc_lshift, q.out_rshift, q.act_min, q.act_max};
    const e8_rows in = at->in[0], out = at->out[0];
    e8_u8 *const x = at->scratch;
    e8_s32 left;
    e8_s16 y = at->y, i = 0;

    for (left = (e8_s32)at->n * q.out_w; left > 0; left -= 2) {
        e8_s8 *to[2] = {0, 0};
        e8_s32 totals[2];
        e8_s16 j;

        for (j = 0; j < 2; j++) {
            totals[j] = e8_conv_pointwise_s8__pairs_gather(x + j, &q, &in, y, i);
            if (j < left)
                to[j] = e8_out_s8(&out, y) + i * out.pixel;
            if (left - j > 1 && ++i == q.out_w) {
                i = 0;
                y++;
            }
        }
        e8_pairs_group(to, x, totals, q.in_ch, k.weights, &k, 0, q.out_ch, &scale);
    }
}
