/* SPDX-License-Identifier: 0BSD */
/* What convolutions share that keep eight sums in registers: four output channels of two pixels, whose taps lie
 * interleaved as x + 128. */
#ifndef E8_PAIRS_H
#define E8_PAIRS_H

#include "e8_tiles.h"
#include "e8_types.h"

/* One tap of four outputs of two pixels. */
E8_WITHIN void e8_pairs_tap(e8_tile *t, e8_tile *u, const e8_u8 *x, const e8_u8 E8_ROM *w)
{
    e8_tile_add(t, x[0], w);
    e8_tile_add(u, x[1], w);
}

/* sum(x * w) of four outputs of two pixels. Taps in fours, written out: GCC's unrolling would spill here, as would
 * the fours themselves when it optimises for size. */
E8_APART void e8_pairs_sums(e8_s32 *first, e8_s32 *second, const e8_u8 *x, e8_len taps, const e8_u8 E8_ROM *w)
{
    const e8_u8 *const end = x + 2 * taps, *const fours = E8_FOR_SIZE ? x : end - 2 * (taps & 3);
    e8_tile t = {0, 0, 0, 0}, u = {0, 0, 0, 0};

    for (; x != fours; x += 8, w += 16) {
        e8_pairs_tap(&t, &u, x, w);
        e8_pairs_tap(&t, &u, x + 2, w + 4);
        e8_pairs_tap(&t, &u, x + 4, w + 8);
        e8_pairs_tap(&t, &u, x + 6, w + 12);
    }
    for (; x != end; x += 2, w += 4)
        e8_pairs_tap(&t, &u, x, w);
    e8_tile_store(&t, first);
    e8_tile_store(&u, second);
}

/* The outputs of one group of channels of two pixels: those from `first` on. Their taps are at x, and add up to
 * `totals`; to[1] is 0 where there is one pixel only. */
E8_INLINE void e8_pairs_group(e8_s8 *const *to, const e8_u8 *x, const e8_s32 *totals, e8_len taps,
                              const e8_u8 E8_ROM *w, const e8_linear_tiles *k, e8_len first, e8_len outs,
                              const e8_tiles_scale *scale)
{
    e8_s32 sums[2][E8_TILES_BLOCK];
    e8_len o, n, i;

    for (o = 0; o < outs; o += n) {
        n = outs - o < E8_TILES_BLOCK ? outs - o : E8_TILES_BLOCK;
        for (i = 0; i < n; i += 4, w += 4 * taps)
            e8_pairs_sums(sums[0] + i, sums[1] + i, x, taps, w);
        for (i = 0; i < 2 && to[i]; i++)
            e8_tiles_write(to[i] + first + o, sums[i], 128 * totals[i], k->bias + first + o,
                           k->mult + first + o, n, scale);
    }
}

#endif
