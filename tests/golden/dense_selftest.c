/* SPDX-License-Identifier: 0BSD */
/* Self-test of dense: 4 seeded vectors, a checksum per call. Empty unless DENSE_SELFTEST is
 * defined, for this file and for dense.c; DENSE_SELFTEST_MAIN adds a main() that prints with putchar.
 * Golden hash over all checksums: 0xaddbd92a, the same on every processor. Where a board does not print it, save
 * what it prints and ask `eightbit verify out/ --log board.txt` which call differs first. */
#include "dense.h"

#if E8_RUNTIME_VERSION != 100
#error "dense_selftest.c and e8_types.h are from different versions of eightbit: keep all files of one build together"
#endif

#ifndef DENSE_SELFTEST
typedef int dense_selftest_is_off;
#else

#define CALLS 1
#define VECTORS 4
#define GOLDEN 0xaddbd92au

void dense_selftest_trace(e8_s16 call, e8_s16 row, const e8_s8 *ptr, e8_len n);

/* What every call must give, by vector. */
static const e8_u32 E8_ROM expected[VECTORS][CALLS + 1] = {
    { /* 0 */
    0xad1b875au, 0u
    },
    { /* 1 */
    0x94b74f56u, 0u
    },
    { /* 2 */
    0x262a7854u, 0u
    },
    { /* 3 */
    0xde2f5c35u, 0u
    }
};
static e8_u32 sums[CALLS + 1]; /* of the vector at hand; written in self-test builds only */

static e8_u32 hashed(e8_u32 hash, e8_u32 value)
{
    return (hash * 16777619u + value) & 0xffffffffu;
}

void dense_selftest_trace(e8_s16 call, e8_s16 row, const e8_s8 *ptr, e8_len n)
{
    e8_u32 hash = row == 0 ? 2166136261u : sums[call - 1];
    e8_len i;

    for (i = 0; i < n; i++)
        hash = hashed(hash, (e8_u32)((e8_s32)ptr[i] + 128));
    sums[call - 1] = hash;
}

/* Value i of a vector; `state` is the generator's. */
static e8_s8 next_value(e8_s16 vector, e8_u32 i, e8_u32 *state)
{
    e8_u32 value;

    *state = (*state * 1664525u + 1013904223u) & 0xffffffffu;
    switch (vector % 4) {
    case 0: value = *state >> 24; break;
    case 1: value = (i * 7u + (*state >> 30)) & 255u; break;
    case 2: value = (*state >> 31) * 255u; break;
    default: value = (*state >> 28) + 120u; break;
    }
    return (e8_s8)((e8_s32)value - 128);
}

static void fill(dense_context *ctx, e8_s16 vector)
{
    e8_u32 state = (0x9e3779b9u * ((e8_u32)vector + 1u)) & 0xffffffffu, i = 0;
    e8_s8 *to;
    e8_u32 n;

    to = dense_input(ctx);
    for (n = 0; n < 4u; n++)
        to[n] = next_value(vector, i++, &state);
}

static void put_text(void (*put)(char), const char *text)
{
    while (*text)
        put(*text++);
}

static void put_number(void (*put)(char), e8_s16 number)
{
    char digits[6]; /* 32767 has five */
    e8_s16 count = 0;

    do {
        digits[count++] = (char)('0' + number % 10);
        number = (e8_s16)(number / 10);
    } while (number > 0);
    while (count > 0)
        put(digits[--count]);
}

static void put_hex(void (*put)(char), e8_u32 value)
{
    e8_s16 shift;

    for (shift = 28; shift >= 0; shift = (e8_s16)(shift - 4))
        put("0123456789abcdef"[(value >> shift) & 15u]);
}

/* Runs all vectors; prints a beginning, a line per call and the hash; returns how many checksums were wrong. */
e8_s16 dense_selftest(dense_context *ctx, void (*put)(char))
{
    e8_u32 hash = 2166136261u;
    e8_s16 vector, call, wrong = 0;

    put_text(put, "dense begin golden ");
    put_hex(put, GOLDEN);
    put('\n');
    dense_init(ctx);
    for (vector = 0; vector < VECTORS; vector++) {
        fill(ctx, vector);
        dense_run(ctx);
        for (call = 0; call < CALLS; call++) {
            const int right = sums[call] == expected[vector][call];

            hash = hashed(hash, sums[call]);
            put_text(put, "dense vector ");
            put_number(put, vector);
            put_text(put, " call ");
            put_number(put, (e8_s16)(call + 1));
            put(' ');
            put_hex(put, sums[call]);
            put_text(put, right ? " ok\n" : " WRONG\n");
            wrong = (e8_s16)(wrong + !right);
        }
    }
    put_text(put, "dense hash ");
    put_hex(put, hash);
    put_text(put, hash == GOLDEN && wrong == 0 ? " PASS\n" : " FAIL\n");
    return wrong;
}

#ifdef DENSE_SELFTEST_MAIN
#include <stdio.h>

static dense_context context;

static void put_stdout(char c)
{
    putchar(c);
}

int main(void)
{
    return dense_selftest(&context, put_stdout) != 0;
}
#endif
#endif
