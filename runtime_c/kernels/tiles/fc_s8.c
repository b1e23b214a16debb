/* SPDX-License-Identifier: 0BSD */
/* Fully connected layer in tiles of four outputs: every tile reads the whole input, in the order of its memory.
 *
 *     acc = bias[o] + sum((x - zp_in) * w[o])
 *     y[o] = clamp((mulhi(acc << acc_lshift, mult[o]) + out_c) >> out_rshift)
 *
 * With weights that are unsigned (a byte load that Thumb-1 can do with an offset),
 *
 *     acc = sum(x * (w[o] + 128)) - 128 * sum(x) + k.bias[o],    k.bias[o] = bias[o] - zp_in * sum(w[o])
 *
 * w: e8_linear_tiles, weights [out_n / 4, rounded up][in_n][4].
 * Ranges: the twin accepts max|k.bias| + 128 * (255 + 128) * in_n < 2^31, so no partial sum leaves 32 bits.
 * Facts: the input is whole and contiguous, and is read again after each four outputs are written. */
#include "e8_fc.h"
#include "e8_math.h"
#include "e8_rows.h"
#include "e8_tiles.h"

E8_INLINE e8_s32 e8_fc_s8__tiles_total(const e8_s8 *x, const e8_s8 *end)
{
    e8_s32 total = 0;

    while (x != end)
        total += *x++;
    return total;
}

/* sum(x * w) of four outputs. */
E8_APART void e8_fc_s8__tiles_sums(e8_s32 *sums, const e8_s8 *x, const e8_s8 *end, const e8_u8 E8_ROM *w)
{
    e8_tile t = {0, 0, 0, 0};

    E8_UNROLL(4)
    for (; x != end; x++, w += 4)
        e8_tile_add(&t, *x, w);
    e8_tile_store(&t, sums);
}

E8_KERNEL void e8_fc_s8__tiles(const e8_fc_s8_params E8_ROM *p, const void E8_ROM *w, const e8_call *at)
{
    /* Copies, because a store through e8_s8 may change whatever is not a local. */
    const e8_fc_s8_params q = *p;
    const e8_linear_tiles k = *(const e8_linear_tiles E8_ROM *)w;
    const e8_tiles_scale scale = {q.out_c, q.acc_lshift, q.out_rshift, q.act_min, q.act_max};
    const e8_len inputs = (e8_len)q.in_n;
    const e8_s8 *const x = e8_in_s8(at->in, 0);
    const e8_s32 less = 128 * e8_fc_s8__tiles_total(x, x + inputs);
    const e8_u8 E8_ROM *tile = k.weights;
    e8_s8 *const to = e8_out_s8(at->out, 0);
    e8_s32 sums[E8_TILES_BLOCK];
    e8_len o, n, i;

    for (o = 0; o < q.out_n; o += n) {
        n = q.out_n - o < E8_TILES_BLOCK ? q.out_n - o : E8_TILES_BLOCK;
        for (i = 0; i < n; i += 4, tile += 4 * inputs)
            e8_fc_s8__tiles_sums(sums + i, x, x + inputs, tile);
        e8_tiles_write(to + o, sums, less, k.bias + o, k.mult + o, n, &scale);
    }
}
