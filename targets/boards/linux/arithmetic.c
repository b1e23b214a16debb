/* SPDX-License-Identifier: 0BSD */
/* What compilers call for arithmetic that the processor lacks, where Debian has no run-time library with it: clang's
 * for Hexagon, and the parts of libgcc that an ESP8266 (LX106) has in its mask ROM. */
#include "e8_division.inc"

#include <stddef.h>

#if defined(__hexagon__)
#    define NAME(function) __hexagon_##function
#else
#    define NAME(function) __##function
#endif

int32_t NAME(divsi3)(int32_t n, int32_t d);
int32_t NAME(modsi3)(int32_t n, int32_t d);
uint32_t NAME(udivsi3)(uint32_t n, uint32_t d);
uint32_t NAME(umodsi3)(uint32_t n, uint32_t d);

int32_t NAME(divsi3)(int32_t n, int32_t d)
{
    return e8_divide_s32(n, d);
}

int32_t NAME(modsi3)(int32_t n, int32_t d)
{
    return e8_remainder_s32(n, d);
}

uint32_t NAME(udivsi3)(uint32_t n, uint32_t d)
{
    uint32_t rest;

    return e8_divide_u32(n, d, &rest);
}

uint32_t NAME(umodsi3)(uint32_t n, uint32_t d)
{
    uint32_t rest;

    (void)e8_divide_u32(n, d, &rest);
    return rest;
}

#ifdef __hexagon__
/* clang's name for copies of large structs. */
void *memcpy(void *to, const void *from, size_t n);
void *__hexagon_memcpy_likely_aligned_min32bytes_mult8bytes(void *to, const void *from, size_t n);

void *__hexagon_memcpy_likely_aligned_min32bytes_mult8bytes(void *to, const void *from, size_t n)
{
    return memcpy(to, from, n);
}
#endif

#ifdef __xtensa__
int64_t __muldi3(int64_t a, int64_t b);

/* The low 64 bits of a product, from products of 16-bit halves. */
int64_t __muldi3(int64_t a, int64_t b)
{
    const uint32_t a_low = (uint32_t)a, a_high = (uint32_t)((uint64_t)a >> 32);
    const uint32_t b_low = (uint32_t)b, b_high = (uint32_t)((uint64_t)b >> 32);
    const uint32_t a0 = a_low & 0xffffu, a1 = a_low >> 16, b0 = b_low & 0xffffu, b1 = b_low >> 16;
    const uint32_t p0 = a0 * b0, p1 = a0 * b1, p2 = a1 * b0, p3 = a1 * b1;
    const uint32_t middle = (p0 >> 16) + (p1 & 0xffffu) + (p2 & 0xffffu); /* < 3 * 2^16 */
    const uint32_t low = (p0 & 0xffffu) | (middle << 16);
    const uint32_t high = p3 + (p1 >> 16) + (p2 >> 16) + (middle >> 16) + a_low * b_high + a_high * b_low;

    return (int64_t)((uint64_t)high << 32 | low);
}
#endif
