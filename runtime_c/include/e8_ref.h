/* SPDX-License-Identifier: 0BSD */
/* The constants of the portable kernels: what their `w` points to. */
#ifndef E8_REF_H
#define E8_REF_H

#include "e8_types.h"

/* Most output channels that conv and depthwise make side by side; their weights are neighbours. Where there are vector
 * registers, compilers make vectors of a constant number of lanes; elsewhere one sum, in a register, is best. */
#ifndef E8_LANES
#    if defined(__SSE2__) || defined(__ARM_NEON) || defined(__wasm_simd128__) || defined(__riscv_vector)
#        define E8_LANES 64
#    else
#        define E8_LANES 1
#    endif
#endif

/* Stands before a loop over lanes: gcc would take a short one apart before it looks for vectors. */
#if defined(__GNUC__) && !defined(__clang__) && __GNUC__ >= 8
#    define E8_KEEP_LOOP _Pragma("GCC unroll 1")
#else
#    define E8_KEEP_LOOP
#endif

/* conv, depthwise, fc: one bias and one multiplier per output channel. */
typedef struct {
    const e8_s8 E8_ROM *weights;
    const e8_s32 E8_ROM *bias, *mult;
} e8_linear_ref;

/* avgpool: every number of cells that occurs in a window, ascending, and its multiplier. */
typedef struct {
    const e8_s16 E8_ROM *counts;
    const e8_s32 E8_ROM *mult;
} e8_average_ref;

#endif
