/* SPDX-License-Identifier: Apache-2.0 */
/* Runs the cases of cases.inc on a board and prints what lies in memory after each launch; on_board.py is the other
 * end, and the only one that knows what should lie there.
 *
 * Memory: guard, input, guard, input, ..., guard, output, guard, state, guard, scratch, guard. State and scratch are
 * not printed, their guards are. */
#include "e8_board.h"
#include "e8_rows.h"

/* avr-gcc 5.4 reads members of structs in flash from RAM where it turns a loop over the structs into pointers; a
 * function that gets one struct reads it right. */
#define APART __attribute__((noinline)) static

enum { GUARD = 8, MOST_INPUTS = 2 };

/* A tensor in a buffer of its own. */
typedef struct {
    const e8_s8 E8_ROM *initial; /* `size` bytes of the buffer at first */
    e8_len size, base, row, pixel, plane;
    const e8_s8 E8_ROM *elements; /* what rows are fed from, [height][width][channels]; 0 for the output */
    e8_s16 ring, width, channels;
} board_view;

/* Rows y .. y+n-1, before which every input gets its rows from .. to-1. */
typedef struct {
    e8_s16 y, n, from, to;
} board_launch;

typedef struct {
    const board_view E8_ROM *views; /* the inputs, then the output */
    const board_launch E8_ROM *launches;
    e8_len state, scratch; /* bytes */
    e8_s16 inputs, launch_count;
} board_case;

#include "cases.inc" /* generated: kernels, CASES, POOL, cases[], and run_kernel() */

static E8_ALIGN(POOL) pool;
static e8_s16 column; /* of the line that is printed */

static void put_text(const char *text)
{
    while (*text)
        e8_board_put(*text++);
}

static void put_number(e8_s16 number)
{
    if (number > 9)
        put_number((e8_s16)(number / 10));
    e8_board_put((char)('0' + number % 10));
}

static void put_bytes(const e8_s8 *bytes, e8_len n)
{
    static const char hex[] = "0123456789abcdef";
    e8_len i;

    for (i = 0; i < n; i++) {
        const unsigned value = (unsigned)bytes[i] & 0xffu;

        e8_board_put(hex[value >> 4]);
        e8_board_put(hex[value & 15u]);
        if (++column == 32) {
            e8_board_put('\n');
            column = 0;
        }
    }
}

static e8_s8 *guard(e8_s8 *at)
{
    e8_len i;

    for (i = 0; i < GUARD; i++)
        at[i] = (e8_s8)(0x50 + i);
    return at + GUARD;
}

/* Aligned as the arena of a model is. */
static e8_s8 *aligned(e8_s8 *at)
{
    const e8_len unit = (e8_len)sizeof(e8_s64), used = at - pool.s8;

    return pool.s8 + (used + unit - 1) / unit * unit;
}

APART e8_s8 *place_view(const board_view E8_ROM *view, e8_s8 *at, e8_rows *rows)
{
    const e8_s8 E8_ROM *initial = view->initial;
    const e8_len size = view->size;
    e8_len i;

    for (i = 0; i < size; i++)
        at[i] = initial[i];
    rows->base = at + view->base;
    rows->row = view->row;
    rows->pixel = view->pixel;
    rows->plane = view->plane;
    rows->ring = view->ring;
    return guard(at + size);
}

APART void feed(const board_view E8_ROM *view, const e8_rows *rows, e8_s16 y)
{
    const e8_s16 width = view->width, channels = view->channels;
    const e8_s8 E8_ROM *element = view->elements + (e8_len)y * width * channels;
    e8_s16 x, c;

    for (x = 0; x < width; x++)
        for (c = 0; c < channels; c++)
            ((e8_s8 *)rows->base)[y % rows->ring * rows->row + x * rows->pixel + c * rows->plane] =
                *element++;
}

/* Lets the inputs' rows come in, runs the kernel, and prints memory up to `end` and two guards more. */
APART void run_launch(e8_s16 number, const board_case E8_ROM *test, const board_launch E8_ROM *now, e8_rows *rows,
                      e8_call *call, const e8_s8 *end, const e8_s8 *state_guard, const e8_s8 *scratch_guard)
{
    const board_view E8_ROM *const views = test->views;
    const e8_s16 inputs = test->inputs, to = now->to;
    e8_s16 i, y;

    for (i = 0; i < inputs; i++)
        for (y = now->from; y < to; y++)
            feed(views + i, &rows[i], y);
    call->y = now->y;
    call->n = now->n;
    run_kernel(number, call);
    column = 0;
    put_bytes(pool.s8, end - pool.s8);
    put_bytes(state_guard, GUARD);
    put_bytes(scratch_guard, GUARD);
    e8_board_put('\n');
}

APART void run_case(e8_s16 number, const board_case E8_ROM *test)
{
    const board_view E8_ROM *const views = test->views;
    const board_launch E8_ROM *const launches = test->launches;
    const e8_s16 inputs = test->inputs, count = test->launch_count;
    e8_rows rows[MOST_INPUTS + 1];
    e8_s8 *at = guard(pool.s8), *state, *state_guard, *scratch, *scratch_guard;
    const e8_s8 *end;
    e8_call call;
    e8_s16 i;

    for (i = 0; i <= inputs; i++)
        at = place_view(views + i, at, &rows[i]);
    end = at;
    state = aligned(at);
    state_guard = state + test->state;
    scratch = aligned(guard(state_guard));
    scratch_guard = scratch + test->scratch;
    (void)guard(scratch_guard);
    call.in = rows;
    call.out = &rows[inputs];
    call.scratch = scratch;
    call.state = (e8_s32 *)(void *)state;
    for (i = 0; i < count; i++) {
        put_number(number);
        e8_board_put(' ');
        put_number(i);
        e8_board_put('\n');
        run_launch(number, test, launches + i, rows, &call, end, state_guard, scratch_guard);
    }
}

int main(void)
{
    e8_s16 number;

    for (number = 0; number < CASES; number++)
        run_case(number, cases + number);
    put_text("end\n");
    return 0;
}
