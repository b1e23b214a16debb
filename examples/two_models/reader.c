/* SPDX-License-Identifier: 0BSD */
/* Two networks, one memory: a union of their contexts holds whichever runs, so RAM is that of the larger one.
 *
 * Both are compiled with --io caller: the image is the caller's, and no switch touches it. */
#include "reader.h"

#include "digits.h"
#include "ink.h"

static union {
    ink_context ink;
    digits_context digits;
} memory;

E8_STATIC_ASSERT(INK_INPUT_SIZE == DIGITS_INPUT_SIZE, both_read_the_same_image);
E8_STATIC_ASSERT(INK_INPUT_ZERO_POINT == DIGITS_INPUT_ZERO_POINT, and_mean_the_same_by_it);

e8_s16 reader_read(const e8_s8 *image, e8_s8 *ink, e8_s8 *logits)
{
    /* Each network begins with init: the other one has used the memory. */
    if (ink_init(&memory.ink) != INK_OK || ink_bind(&memory.ink, image, ink) != INK_OK ||
        ink_run(&memory.ink) != INK_OK)
        return READER_FAILED;
    if (*ink <= INK_OUTPUT_ZERO_POINT) /* the real value is not above 0 */
        return READER_BLANK;
    if (digits_init(&memory.digits) != DIGITS_OK || digits_bind(&memory.digits, image, logits) != DIGITS_OK ||
        digits_run(&memory.digits) != DIGITS_OK)
        return READER_FAILED;
    return (e8_s16)digits_argmax(&memory.digits);
}
