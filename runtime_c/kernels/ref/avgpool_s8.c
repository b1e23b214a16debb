/* SPDX-License-Identifier: 0BSD */
/* The average of each window.
 *
 *     acc = sum(x[c] - zp_in)      over the taps inside the image
 *     y[c] = clamp((mulhi(acc << acc_lshift, mult[cells]) + out_c) >> out_rshift)
 *     cells = taps inside rows [count_y0, count_y1) and columns [count_x0, count_x1)
 *
 * These are the image, or with count_include_pad the image and its padding.
 * w: e8_average_ref, counts_n numbers of cells and their multipliers; every number that occurs is among them.
 * Ranges: |acc| <= kh * kw * 255, which the compiler proves to be below 2^(31 - acc_lshift).
 * Facts: reads planes; a channel of a pixel is written after its last read, and no other channel reads it. */
#include "e8_avgpool.h"
#include "e8_math.h"
#include "e8_ref.h"
#include "e8_rows.h"

/* All channels of one output pixel, whose taps inside the image are those of rows `ky` and columns `kx`. */
E8_INLINE void e8_avgpool_s8__ref_pixel(const e8_avgpool_s8_params *q, e8_s32 mult, const e8_rows *in,
                                        e8_taps ky, e8_taps kx, e8_s8 *to)
{
    const e8_len step = q->dil_x * in->pixel;
    const e8_s16 first_slot = e8_slot(in, (e8_s16)ky.at);
    e8_len c;

    for (c = 0; c < q->ch; c++) {
        e8_s32 acc = 0;
        e8_s16 slot = first_slot, t, u;

        for (t = 0; t < ky.n; t++, slot = e8_slot_below(in, slot, q->dil_y)) {
            const e8_s8 *x = (const e8_s8 *)in->base + slot * in->row + kx.at * in->pixel + c * in->plane;

            for (u = 0; u < kx.n; u++)
                acc += x[u * step] - q->zp_in;
        }
        to[c] = e8_requantise_s8(acc, mult, q->acc_lshift, q->out_c, q->out_rshift, q->act_min, q->act_max);
    }
}

/* How many taps of a window that starts at `start` lie in [low, high). */
E8_INLINE e8_s16 e8_avgpool_s8__ref_count(e8_s32 start, e8_s16 dilation, e8_s16 taps, e8_s16 low, e8_s16 high)
{
    return (e8_s16)(e8_taps_below(high - start, dilation, taps) - e8_taps_below(low - start, dilation, taps));
}

E8_INLINE e8_s32 e8_avgpool_s8__ref_mult(const e8_average_ref *k, e8_s16 cells)
{
    e8_len i = 0;

    while (k->counts[i] != cells)
        i++;
    return k->mult[i];
}

E8_KERNEL void e8_avgpool_s8__ref(const e8_avgpool_s8_params E8_ROM *p, const void E8_ROM *w,
                                  const e8_call *at)
{
    /* Copies, because a store through e8_s8 may change whatever is not a local. */
    const e8_avgpool_s8_params q = *p;
    const e8_average_ref k = *(const e8_average_ref E8_ROM *)w;
    const e8_rows in = at->in[0], out = at->out[0];
    const e8_s16 end = (e8_s16)(at->y + at->n);
    e8_s16 y;

    for (y = at->y; y < end; y++) {
        const e8_s32 top = (e8_s32)y * q.stride_y - q.pad_top;
        const e8_taps ky = e8_taps_inside(top, q.dil_y, q.kh, q.in_h);
        const e8_s16 high = e8_avgpool_s8__ref_count(top, q.dil_y, q.kh, q.count_y0, q.count_y1);
        e8_s8 *to = e8_out_s8(&out, y);
        e8_s32 left = -q.pad_left;
        e8_len x;

        for (x = 0; x < q.out_w; x++, left += q.stride_x) {
            const e8_s16 wide = e8_avgpool_s8__ref_count(left, q.dil_x, q.kw, q.count_x0, q.count_x1);

            e8_avgpool_s8__ref_pixel(&q, e8_avgpool_s8__ref_mult(&k, (e8_s16)(high * wide)), &in, ky,
                                     e8_taps_inside(left, q.dil_x, q.kw, q.in_w), to + x * out.pixel);
        }
    }
}
