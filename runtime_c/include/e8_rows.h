/* SPDX-License-Identifier: 0BSD */
/* What a kernel gets: where rows lie, and which of them to make.
 *
 * Every kernel has the signature (const <its params> E8_ROM *p, const void E8_ROM *w, const e8_call *at): `p`
 * is what is computed, `w` the constants, `at` everything about this one launch. The contract:
 *   - rows ascend from launch to launch; any n and any grouping give the same bits;
 *   - only rows y .. y+n-1 of the output are written, and in them only the channels of the tensor;
 *   - rows and columns outside the image, ring wrap and strides are the kernel's business;
 *   - input and output may overlap as far as the kernel's facts allow, so they are never `restrict`. */
#ifndef E8_ROWS_H
#define E8_ROWS_H

#include "e8_types.h"

/* Where the rows of a tensor lie: a whole tensor, a ring of its newest rows, or channels of wider pixels.
 * Strides count elements of the tensor's type. */
typedef struct {
    void *base;   /* slot 0 */
    e8_len row;   /* to the next row */
    e8_len pixel; /* to the next pixel of a row: at least the channels, more in a concatenation */
    e8_len plane; /* to the next channel: 1, or height * width where an input is stored as planes */
    e8_s16 ring;  /* rows until it wraps, the height of a whole tensor: row y is in slot y % ring */
} e8_rows;

/* One launch: all that is neither meaning nor constant data. */
typedef struct {
    const e8_rows *in, *out; /* as many as the operator has */
    e8_s16 y, n;             /* make output rows y .. y+n-1 (a reduction: take input rows y .. y+n-1) */
    void *scratch;           /* dead between launches, shared by all calls */
    e8_s32 *state;           /* kept between the launches of one run; 0 if the kernel asks for none */
} e8_call;

/* The slot of row y >= 0. */
E8_INLINE e8_s16 e8_slot(const e8_rows *t, e8_s16 y)
{
    return (e8_s16)(y < t->ring ? y : y % t->ring);
}

/* The slot `step` >= 0 rows below `slot`; windows take small steps, so there is no division. */
E8_INLINE e8_s16 e8_slot_below(const e8_rows *t, e8_s16 slot, e8_s16 step)
{
    e8_s32 next = (e8_s32)slot + step;

    while (next >= t->ring)
        next -= t->ring;
    return (e8_s16)next;
}

E8_INLINE const e8_s8 *e8_in_s8(const e8_rows *t, e8_s16 y)
{
    return (const e8_s8 *)t->base + e8_slot(t, y) * t->row;
}

E8_INLINE e8_s8 *e8_out_s8(const e8_rows *t, e8_s16 y)
{
    return (e8_s8 *)t->base + e8_slot(t, y) * t->row;
}

/* How many rows from y on, at most n, are one long row in both tensors: 1 where rows have gaps. */
E8_INLINE e8_s16 e8_run(const e8_rows *in, const e8_rows *out, e8_len width, e8_s16 y, e8_s16 n)
{
    const e8_s16 in_left = (e8_s16)(in->ring - e8_slot(in, y));
    const e8_s16 out_left = (e8_s16)(out->ring - e8_slot(out, y));

    if (in->row != width * in->pixel || out->row != width * out->pixel)
        return 1;
    if (in_left < n)
        n = in_left;
    return out_left < n ? out_left : n;
}

/* How many of the taps 0, dilation, 2 * dilation, ... of a window lie below `bound`. */
E8_INLINE e8_s16 e8_taps_below(e8_s32 bound, e8_s16 dilation, e8_s16 taps)
{
    if (bound <= 0)
        return 0;
    if (bound > (e8_s32)(taps - 1) * dilation)
        return taps;
    return (e8_s16)((bound + dilation - 1) / dilation);
}

/* Along one axis, the taps of a window that lie inside the image. */
typedef struct {
    e8_s16 first, n; /* tap `first` is the first of n */
    e8_len at;       /* its row or column; 0 where n is 0 */
} e8_taps;

/* The taps of a window that starts at `start` (below 0 in the padding) that lie in [0, size). */
E8_INLINE e8_taps e8_taps_inside(e8_s32 start, e8_s16 dilation, e8_s16 taps, e8_len size)
{
    e8_taps inside;

    inside.first = e8_taps_below(-start, dilation, taps);
    inside.n = (e8_s16)(e8_taps_below((e8_s32)size - start, dilation, taps) - inside.first);
    inside.at = inside.n ? (e8_len)(start + inside.first * (e8_s32)dilation) : 0;
    return inside;
}

#endif
