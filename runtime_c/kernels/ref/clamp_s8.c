/* SPDX-License-Identifier: 0BSD */
/* Relu and Clip on their own.
 *
 *     y = clamp(x)      to [act_min, act_max]
 *
 * w: none. Input and output share scale and zero point.
 * Facts: element by element. */
#include "e8_clamp.h"
#include "e8_math.h"
#include "e8_rows.h"

E8_KERNEL void e8_clamp_s8__ref(const e8_clamp_s8_params E8_ROM *p, const void E8_ROM *w, const e8_call *at)
{
    const e8_rows in = at->in[0], out = at->out[0];
    const int dense = in.pixel == p->ch && out.pixel == p->ch;
    const e8_s16 low = p->act_min, high = p->act_max, end = (e8_s16)(at->y + at->n);
    const e8_len width = p->w;
    e8_s16 y, rows;

    (void)w;
    for (y = at->y; y < end; y = (e8_s16)(y + rows)) {
        const e8_s8 *from = e8_in_s8(&in, y);
        e8_s8 *to = e8_out_s8(&out, y);
        e8_len pixels, channels = p->ch, x, c;

        rows = e8_run(&in, &out, width, y, (e8_s16)(end - y));
        pixels = rows * width;
        if (dense) { /* one wide pixel */
            channels *= pixels;
            pixels = 1;
        }
        for (x = 0; x < pixels; x++)
            for (c = 0; c < channels; c++)
                to[x * out.pixel + c] = e8_clamp_s8(from[x * in.pixel + c], low, high);
    }
}
