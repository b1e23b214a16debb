/* SPDX-License-Identifier: 0BSD */
/* Float helpers for dense: real values to s8 and back, one at a time. dense.c neither needs nor includes
 * this file; the double arithmetic gives the values that the compiler's simulator quantises to. */
#ifndef DENSE_IO_H
#define DENSE_IO_H

#include "dense.h"

#if E8_RUNTIME_VERSION != 100
#error "dense_io.h and e8_types.h are from different versions of eightbit: keep all files of one build together"
#endif

/* floor(value / scale + 1/2) + zero point, saturated */
E8_INLINE e8_s8 dense_quantise(double value, double scale, e8_s16 zero_point)
{
    const double scaled = value / scale + 0.5;
    e8_s32 whole;

    if (!(scaled > -1000.0))
        return -128;
    if (scaled > 1000.0)
        return 127;
    whole = (e8_s32)scaled;
    whole -= (double)whole > scaled; /* the cast rounds towards zero */
    whole += zero_point;
    return (e8_s8)(whole < -128 ? -128 : whole > 127 ? 127 : whole);
}

/* A real value of "x" as the s8 to write to dense_input() */
E8_INLINE e8_s8 dense_input_from_real(double value)
{
    return dense_quantise(value, DENSE_INPUT_SCALE, DENSE_INPUT_ZERO_POINT);
}

/* The real value of an s8 from dense_output() */
E8_INLINE float dense_output_to_real(e8_s8 value)
{
    return DENSE_OUTPUT_SCALE * (float)((e8_s16)value - DENSE_OUTPUT_ZERO_POINT);
}

#endif
