/* SPDX-License-Identifier: Apache-2.0 */
/* Runs kernels on cases read from stdin and writes what they made to stdout; driver.py is the other end.
 *
 * Every block that a kernel may touch is its own malloc of the exact size, for AddressSanitizer. Around the
 * tensors' elements lie bytes that nothing may change. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels.inc" /* generated: every kernel found, and run_kernel */

enum { MOST_INPUTS = 4, MOST_STREAMS = 8, INPUT_CHANGED = 1, STRAY_WRITE = 2 };

typedef struct {
    e8_rows rows;
    e8_s8 *buffer, *copy;
    size_t size;
    e8_len height, width, channels;
} view;

static void die(const char *what)
{
    fprintf(stderr, "driver: %s\n", what);
    exit(3);
}

static void *allocate(size_t size)
{
    void *block = malloc(size);

    if (block == NULL && size != 0)
        die("out of memory");
    return block;
}

static void get(void *to, size_t size)
{
    if (size != 0 && fread(to, size, 1, stdin) != 1)
        die("the input ends early");
}

static e8_len word(void)
{
    int64_t value;

    get(&value, sizeof value);
    return (e8_len)value;
}

static void *block(size_t *size)
{
    const size_t n = (size_t)word();
    void *to = allocate(n);

    get(to, n);
    if (size != NULL)
        *size = n;
    return to;
}

static void read_view(view *v)
{
    v->buffer = block(&v->size);
    v->copy = allocate(v->size);
    v->rows.base = v->buffer + word();
    v->rows.row = word();
    v->rows.pixel = word();
    v->rows.plane = word();
    v->rows.ring = (e8_s16)word();
    v->height = word();
    v->width = word();
    v->channels = word();
}

static void drop_view(view *v)
{
    free(v->buffer);
    free(v->copy);
}

static e8_len place(const view *v, e8_len y, e8_len x, e8_len c)
{
    const e8_len base = (const e8_s8 *)v->rows.base - v->buffer;

    return base + y % v->rows.ring * v->rows.row + x * v->rows.pixel + c * v->rows.plane;
}

static void feed(const view *v, const e8_s8 *elements, e8_len y)
{
    e8_len x, c;

    for (x = 0; x < v->width; x++)
        for (c = 0; c < v->channels; c++)
            v->buffer[place(v, y, x, c)] = elements[(y * v->width + x) * v->channels + c];
}

/* Takes row y out of the output, and makes the copy agree with it there. */
static void collect(const view *v, e8_s8 *result, e8_len y)
{
    e8_len x, c;

    for (x = 0; x < v->width; x++)
        for (c = 0; c < v->channels; c++) {
            const e8_len at = place(v, y, x, c);

            result[(y * v->width + x) * v->channels + c] = v->buffer[at];
            v->copy[at] = v->buffer[at];
        }
}

static int64_t launch(int kernel, const void *params, const void *weights, e8_call *at, view *in, e8_s8 *const *data,
                      int inputs, view *out, e8_s8 *result)
{
    e8_rows rows[MOST_INPUTS];
    e8_len y, end;
    int64_t status = 0;
    int i;

    at->y = (e8_s16)word();
    at->n = (e8_s16)word();
    for (i = 0; i < inputs; i++) {
        for (y = word(), end = word(); y < end; y++)
            feed(&in[i], data[i], y);
        memcpy(in[i].copy, in[i].buffer, in[i].size);
        rows[i] = in[i].rows;
    }
    memcpy(out->copy, out->buffer, out->size);
    at->in = rows;
    at->out = &out->rows;
    run_kernel(kernel, params, weights, at);
    for (i = 0; i < inputs; i++)
        if (memcmp(in[i].copy, in[i].buffer, in[i].size) != 0)
            status |= INPUT_CHANGED;
    for (y = word(), end = word(); y < end; y++)
        collect(out, result, y);
    if (memcmp(out->copy, out->buffer, out->size) != 0)
        status |= STRAY_WRITE;
    return status;
}

static void run_case(void)
{
    const int kernel = (int)word();
    void *params = block(NULL), *streams[MOST_STREAMS] = {NULL};
    const int packed = (int)word(), count = (int)word();
    const void **weights = allocate((size_t)count * sizeof *weights);
    view in[MOST_INPUTS], out;
    e8_s8 *data[MOST_INPUTS], *result;
    int64_t status = 0;
    size_t size;
    e8_call at;
    e8_len launches;
    int i, inputs;

    for (i = 0; i < count; i++)
        weights[i] = streams[i] = block(NULL);
    inputs = (int)word();
    for (i = 0; i < inputs; i++) {
        read_view(&in[i]);
        data[i] = block(NULL);
    }
    read_view(&out);
    at.scratch = block(NULL);
    at.state = block(&size);
    if (size == 0) {
        free(at.state);
        at.state = NULL;
    }
    size = (size_t)(out.height * out.width * out.channels);
    result = allocate(size);
    memset(result, 0x55, size);
    for (launches = word(); launches > 0; launches--)
        status |= launch(kernel, params, packed ? (const void *)weights : streams[0], &at, in, data, inputs, &out, result);
    fwrite(&status, sizeof status, 1, stdout);
    fwrite(result, size, 1, stdout);
    fflush(stdout);
    for (i = 0; i < count; i++)
        free(streams[i]);
    for (i = 0; i < inputs; i++) {
        drop_view(&in[i]);
        free(data[i]);
    }
    drop_view(&out);
    free(at.scratch);
    free(at.state);
    free(weights);
    free(params);
    free(result);
}

int main(void)
{
    e8_len cases;

    for (cases = word(); cases > 0; cases--)
        run_case();
    return 0;
}
