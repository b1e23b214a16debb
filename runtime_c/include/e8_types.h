/* SPDX-License-Identifier: 0BSD */
/* The types and macros every other file starts from. C99, and C++ where a model's header includes it. */
#ifndef E8_TYPES_H
#define E8_TYPES_H

#include <stddef.h>
#include <stdint.h>

/* major * 10000 + minor * 100 + patch of the eightbit that wrote this file: generated code checks it, so that
 * files of two versions never meet in one build. */
#define E8_RUNTIME_VERSION 100

/* Least-width types: a chip whose char has 16 bits has no int8_t. Nothing here may count on wrapping. */
typedef int_least8_t e8_s8;
typedef uint_least8_t e8_u8;
typedef int_least16_t e8_s16;
typedef uint_least16_t e8_u16;
typedef int_least32_t e8_s32;
typedef uint_least32_t e8_u32;
typedef int_least64_t e8_s64;

/* Strides, offsets and element counts: as wide as the address space, 16 bits on AVR. */
typedef ptrdiff_t e8_len;

/* Constants that stay in flash. On AVR flash is another address space, which only GNU C can name. */
#ifndef E8_ROM
#    if defined(__AVR__) && !defined(__cplusplus)
#        ifndef __FLASH
#            error "constants in flash need GNU C on AVR: compile with -std=gnu99 or later"
#        endif
#        define E8_ROM __flash
#    else
#        define E8_ROM
#    endif
#endif

/* Kernels are compiled into the file that calls them, so that two models link together. */
#ifndef E8_KERNEL
#    define E8_KERNEL static
#endif

/* A kernel that several calls share and that is compiled once, where the compiler can be told so. GCC would still
 * copy it for constant arguments, but not at -Os, where it is best left to share what the calls have in common. */
#if defined(__clang__) || (defined(__GNUC__) && defined(__OPTIMIZE_SIZE__))
#    define E8_KERNEL_ONCE __attribute__((__noinline__)) static
#elif defined(__GNUC__)
#    define E8_KERNEL_ONCE __attribute__((__noinline__, __noclone__)) static
#else
#    define E8_KERNEL_ONCE static
#endif

#define E8_INLINE static inline

/* Functions of a few instructions that are inlined even for size; and functions that are not inlined, so that
 * their loops have all registers. */
#if defined(__GNUC__) || defined(__clang__)
#    define E8_WITHIN static inline __attribute__((__always_inline__))
#    define E8_APART static __attribute__((__noinline__))
#else
#    define E8_WITHIN static inline
#    define E8_APART static
#endif

/* Before a loop: that many steps at once. A wish, where the compiler knows how to take it: not clang for Helium,
 * which at -Os unrolls sums of loops whose tail is predicated wrongly (seen with clang 19). */
#define E8_PRAGMA(text) _Pragma(#text)
#if defined(__clang__) && defined(__ARM_FEATURE_MVE)
#    define E8_UNROLL(n)
#elif defined(__clang__)
#    define E8_UNROLL(n) E8_PRAGMA(clang loop unroll_count(n))
#elif defined(__GNUC__) && __GNUC__ >= 8
#    define E8_UNROLL(n) E8_PRAGMA(GCC unroll n)
#else
#    define E8_UNROLL(n)
#endif

/* 1 where the compiler was told to make code small. */
#ifdef __OPTIMIZE_SIZE__
#    define E8_FOR_SIZE 1
#else
#    define E8_FOR_SIZE 0
#endif

/* At file scope; the name makes the message readable. (_Static_assert is not C99.) */
#define E8_STATIC_ASSERT(condition, name) typedef char e8_assert_##name[(condition) ? 1 : -1]

/* n e8_s8, in its member `s8`, aligned for every type above: E8_ALIGN(64) arena; (alignas is not C99.) */
#define E8_ALIGN(n) \
    union { \
        e8_s64 widest; \
        void *pointer; \
        e8_s8 s8[n]; \
    }

/* Every >> of a negative value in this runtime means floor. */
E8_STATIC_ASSERT((-1 >> 1) == -1, right_shift_is_arithmetic);

#endif
