/* SPDX-License-Identifier: 0BSD */
/* Elements in another order.
 *
 *     y[i] = x[sum(digit_j(i) * stride[j])]      i and the result count elements in memory order
 *
 * digit_j are the digits of i in the mixed radix `extent`, the last of which turns fastest.
 * w: none. Facts: the input is whole and contiguous, and is read in any order. */
#include "e8_permute.h"
#include "e8_rows.h"

enum { E8_PERMUTE_S8__REF_DIGITS = 6 };

/* Sets `digit` to the digits of i and gives their position in the input. */
E8_INLINE e8_s32 e8_permute_s8__ref_seek(const e8_permute_s8_params *q, e8_s32 i, e8_s16 *digit)
{
    e8_s32 from = 0;
    e8_s16 j;

    for (j = E8_PERMUTE_S8__REF_DIGITS - 1; j >= 0; j--) {
        digit[j] = (e8_s16)(i % q->extent[j]);
        i /= q->extent[j];
        from += digit[j] * q->stride[j];
    }
    return from;
}

/* Counts `digit` up by one and gives the new position; after the last element all digits are 0 again. */
E8_INLINE e8_s32 e8_permute_s8__ref_next(const e8_permute_s8_params *q, e8_s32 from, e8_s16 *digit)
{
    e8_s16 j;

    for (j = E8_PERMUTE_S8__REF_DIGITS - 1; j >= 0; j--) {
        if (++digit[j] < q->extent[j])
            return from + q->stride[j];
        digit[j] = 0;
        from -= (q->extent[j] - 1) * q->stride[j];
    }
    return from;
}

E8_KERNEL void e8_permute_s8__ref(const e8_permute_s8_params E8_ROM *p, const void E8_ROM *w,
                                  const e8_call *at)
{
    /* Copies, because a store through e8_s8 may change whatever is not a local. */
    const e8_permute_s8_params q = *p;
    const e8_rows out = at->out[0];
    const e8_s8 *const elements = e8_in_s8(at->in, 0);
    const e8_s16 end = (e8_s16)(at->y + at->n);
    e8_s16 digit[E8_PERMUTE_S8__REF_DIGITS], y;
    e8_s32 from = e8_permute_s8__ref_seek(&q, (e8_s32)at->y * q.out_w * q.out_ch, digit);

    (void)w;
    for (y = at->y; y < end; y++) {
        e8_s8 *to = e8_out_s8(&out, y);
        e8_len x, c;

        for (x = 0; x < q.out_w; x++)
            for (c = 0; c < q.out_ch; c++) {
                to[x * out.pixel + c] = elements[from];
                from = e8_permute_s8__ref_next(&q, from, digit);
            }
    }
}
