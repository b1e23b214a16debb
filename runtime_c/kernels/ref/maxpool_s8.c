/* SPDX-License-Identifier: 0BSD */
/* The maximum of each window.
 *
 *     y[c] = clamp(max(x[c]))      taps outside the image never count; a window without any gives -128
 *
 * w: none. Input and output share scale and zero point.
 * Facts: reads planes; a channel of a pixel is written after its last read, and no other channel reads it. */
#include "e8_math.h"
#include "e8_maxpool.h"
#include "e8_rows.h"

/* All channels of one output pixel, whose taps inside the image are those of rows `ky` and columns `kx`. */
E8_INLINE void e8_maxpool_s8__ref_pixel(const e8_maxpool_s8_params *q, const e8_rows *in, e8_taps ky,
                                        e8_taps kx, e8_s8 *to)
{
    const e8_len step = q->dil_x * in->pixel;
    const e8_s16 first_slot = e8_slot(in, (e8_s16)ky.at);
    e8_len c;

    for (c = 0; c < q->ch; c++) {
        e8_s8 best = -128;
        e8_s16 slot = first_slot, t, u;

        for (t = 0; t < ky.n; t++, slot = e8_slot_below(in, slot, q->dil_y)) {
            const e8_s8 *x = (const e8_s8 *)in->base + slot * in->row + kx.at * in->pixel + c * in->plane;

            for (u = 0; u < kx.n; u++)
                if (x[u * step] > best)
                    best = x[u * step];
        }
        to[c] = e8_clamp_s8(best, q->act_min, q->act_max);
    }
}

E8_KERNEL void e8_maxpool_s8__ref(const e8_maxpool_s8_params E8_ROM *p, const void E8_ROM *w,
                                  const e8_call *at)
{
    /* Copies, because a store through e8_s8 may change whatever is not a local. */
    const e8_maxpool_s8_params q = *p;
    const e8_rows in = at->in[0], out = at->out[0];
    const e8_s16 end = (e8_s16)(at->y + at->n);
    e8_s16 y;

    (void)w;
    for (y = at->y; y < end; y++) {
        const e8_taps ky = e8_taps_inside((e8_s32)y * q.stride_y - q.pad_top, q.dil_y, q.kh, q.in_h);
        e8_s8 *to = e8_out_s8(&out, y);
        e8_s32 left = -q.pad_left;
        e8_len x;

        for (x = 0; x < q.out_w; x++, left += q.stride_x)
            e8_maxpool_s8__ref_pixel(&q, &in, ky, e8_taps_inside(left, q.dil_x, q.kw, q.in_w),
                                     to + x * out.pixel);
    }
}
