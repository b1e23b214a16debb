/* SPDX-License-Identifier: 0BSD */
/* What kernels that keep a tile of sums in registers share: constants, and how sums become outputs.
 *
 * Loops that need all registers of a small core are functions that stay functions: compilers that inline them
 * spill. Between them lie blocks of sums on the stack. */
#ifndef E8_TILES_H
#define E8_TILES_H

#include "e8_math.h"
#include "e8_types.h"

/* What zero points add to a sum is taken out of `bias` already, so that no loop subtracts them. */

/* conv, fc: weights as w + 128, in the order in which the tile reads them. */
typedef struct {
    const e8_u8 E8_ROM *weights;
    const e8_s32 E8_ROM *bias, *mult;
} e8_linear_tiles;

typedef struct {
    const e8_s8 E8_ROM *weights;
    const e8_s32 E8_ROM *bias, *mult;
} e8_depthwise_tiles;

enum { E8_TILES_BLOCK = 16 }; /* sums that are made before they are written */

/* Four sums that stay in registers; an array might not. */
typedef struct {
    e8_s32 a, b, c, d;
} e8_tile;

/* One tap of four outputs. */
E8_WITHIN void e8_tile_add(e8_tile *t, e8_s32 x, const e8_u8 E8_ROM *w)
{
    t->a += x * w[0];
    t->b += x * w[1];
    t->c += x * w[2];
    t->d += x * w[3];
}

E8_WITHIN void e8_tile_store(const e8_tile *t, e8_s32 *sums)
{
    sums[0] = t->a;
    sums[1] = t->b;
    sums[2] = t->c;
    sums[3] = t->d;
}

/* The sum of n values that lie `every` apart. */
E8_INLINE e8_s32 e8_tiles_total(const e8_u8 *x, e8_len every, e8_len n)
{
    e8_s32 total = 0;
    e8_len i;

    E8_UNROLL(4)
    for (i = 0; i < n; i++)
        total += x[i * every];
    return total;
}

/* How sums become outputs. */
typedef struct {
    e8_s32 c;
    e8_s16 lshift, rshift, lo, hi;
} e8_tiles_scale;

/* to[i] = requantised sums[i] + add[i] - less. */
E8_APART void e8_tiles_write(e8_s8 *to, const e8_s32 *sums, e8_s32 less, const e8_s32 E8_ROM *add,
                             const e8_s32 E8_ROM *mult, e8_len n, const e8_tiles_scale *scale)
{
    const e8_tiles_scale s = *scale;
    const e8_s32 *const end = sums + n;

    while (sums != end)
        *to++ = e8_requantise_s8(*sums++ - less + *add++, *mult++, s.lshift, s.c, s.rshift, s.lo, s.hi);
}

#endif
