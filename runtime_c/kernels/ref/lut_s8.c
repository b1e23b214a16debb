/* SPDX-License-Identifier: 0BSD */
/* Any function of one s8 value, as a table of its results.
 *
 *     y = table[x + 128]
 *
 * w: e8_s8 table[256], the result for x = -128 first.
 * Facts: element by element. */
#include "e8_lut.h"
#include "e8_rows.h"

E8_KERNEL void e8_lut_s8__ref(const e8_lut_s8_params E8_ROM *p, const void E8_ROM *w, const e8_call *at)
{
    const e8_s8 E8_ROM *const table = (const e8_s8 E8_ROM *)w;
    const e8_rows in = at->in[0], out = at->out[0];
    const int dense = in.pixel == p->ch && out.pixel == p->ch;
    const e8_len width = p->w;
    const e8_s16 end = (e8_s16)(at->y + at->n);
    e8_s16 y, rows;

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
                to[x * out.pixel + c] = table[from[x * in.pixel + c] + 128];
    }
}
