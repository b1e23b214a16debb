/* SPDX-License-Identifier: 0BSD */
/* Softmax over the channels of each pixel, in unsigned 32-bit integers; output scale 2^-n, zero point -128.
 *
 *     e[c] = table[max(x) - x[c]],  S = sum(e)
 *     y[c] = min((e[c] * 2^n + S / 2) / S, 255) - 128
 *
 * w: e8_u32 table[256], table[d] = round(2^b * exp(-d * scale)), b = 31 - max(n, ceil(log2 ch)).
 * Ranges: n = out_lshift; e * 2^n <= 2^31 and S <= ch * 2^b <= 2^31, so the numerator is below 2^32;
 * S >= table[0] > 0.
 * Facts: a channel is written after its last read, and no other channel reads it. */
#include "e8_rows.h"
#include "e8_softmax.h"

E8_INLINE void e8_softmax_s8__ref_pixel(const e8_s8 *x, const e8_u32 E8_ROM *table, e8_len channels,
                                        e8_s16 lshift, e8_s8 *to)
{
    e8_s8 top = x[0];
    e8_u32 sum = 0;
    e8_len c;

    for (c = 1; c < channels; c++)
        if (x[c] > top)
            top = x[c];
    for (c = 0; c < channels; c++)
        sum += table[top - x[c]];
    for (c = 0; c < channels; c++) {
        const e8_u32 y = ((table[top - x[c]] << lshift) + sum / 2) / sum;

        to[c] = (e8_s8)((e8_s16)(y < 255 ? y : 255) - 128);
    }
}

E8_KERNEL void e8_softmax_s8__ref(const e8_softmax_s8_params E8_ROM *p, const void E8_ROM *w,
                                  const e8_call *at)
{
    const e8_u32 E8_ROM *const table = (const e8_u32 E8_ROM *)w;
    const e8_rows in = at->in[0], out = at->out[0];
    const e8_len width = p->w, channels = p->ch;
    const e8_s16 lshift = p->out_lshift, end = (e8_s16)(at->y + at->n);
    e8_s16 y;

    for (y = at->y; y < end; y++) {
        const e8_s8 *from = e8_in_s8(&in, y);
        e8_s8 *to = e8_out_s8(&out, y);
        e8_len x;

        for (x = 0; x < width; x++)
            e8_softmax_s8__ref_pixel(from + x * in.pixel, table, channels, lshift, to + x * out.pixel);
    }
}
