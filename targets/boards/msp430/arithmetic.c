/* SPDX-License-Identifier: 0BSD */
/* The arithmetic that the MSP430's instructions lack, under the names of its EABI. clang leaves it to a run-time
 * library that Debian does not build. Products of 16 bits come from the hardware multiplier. */
#include "e8_division.inc"

#define MPY (*(volatile uint16_t *)0x0130u) /* unsigned product: first operand, */
#define OP2 (*(volatile uint16_t *)0x0138u) /* second operand, which starts it, */
#define RESLO (*(volatile uint16_t *)0x013Au)
#define RESHI (*(volatile uint16_t *)0x013Cu)

uint16_t __mspabi_mpyi(uint16_t a, uint16_t b);
uint32_t __mspabi_mpyl(uint32_t a, uint32_t b);
uint64_t e8_multiply_u64(uint64_t a,
                         uint64_t b); /* called by __mspabi_mpyll, whose arguments come otherwise */
int16_t __mspabi_divi(int16_t n, int16_t d);
int16_t __mspabi_remi(int16_t n, int16_t d);
uint16_t __mspabi_divu(uint16_t n, uint16_t d);
uint16_t __mspabi_remu(uint16_t n, uint16_t d);
int32_t __mspabi_divli(int32_t n, int32_t d);
int32_t __mspabi_remli(int32_t n, int32_t d);
uint32_t __mspabi_divul(uint32_t n, uint32_t d);
uint32_t __mspabi_remul(uint32_t n, uint32_t d);
uint32_t __mspabi_slll(uint32_t v, uint16_t n);
uint32_t __mspabi_srll(uint32_t v, uint16_t n);
int32_t __mspabi_sral(int32_t v, uint16_t n);
uint64_t __mspabi_sllll(uint64_t v, uint16_t n);
uint64_t __mspabi_srlll(uint64_t v, uint16_t n);
int64_t __mspabi_srall(int64_t v, uint16_t n);

static uint32_t product(uint16_t a, uint16_t b)
{
    MPY = a;
    OP2 = b;
    return (uint32_t)RESHI << 16 | RESLO;
}

uint16_t __mspabi_mpyi(uint16_t a, uint16_t b)
{
    MPY = a;
    OP2 = b;
    return RESLO;
}

uint32_t __mspabi_mpyl(uint32_t a, uint32_t b)
{
    const uint16_t a0 = (uint16_t)a, a1 = (uint16_t)(a >> 16), b0 = (uint16_t)b, b1 = (uint16_t)(b >> 16);
    const uint16_t cross = (uint16_t)(__mspabi_mpyi(a0, b1) + __mspabi_mpyi(a1, b0));

    return product(a0, b0) + ((uint32_t)cross << 16);
}

/* Column by column of 16-bit digits; the carry of a column stays below 2^32. */
uint64_t e8_multiply_u64(uint64_t a, uint64_t b)
{
    const uint16_t x[4] = {(uint16_t)a, (uint16_t)(a >> 16), (uint16_t)(a >> 32), (uint16_t)(a >> 48)};
    const uint16_t y[4] = {(uint16_t)b, (uint16_t)(b >> 16), (uint16_t)(b >> 32), (uint16_t)(b >> 48)};
    uint16_t digit[4];
    uint32_t carry = 0;
    int column, i;

    for (column = 0; column < 4; column++) {
        uint32_t low = carry & 0xffffu, high = carry >> 16;

        for (i = 0; i <= column; i++) {
            const uint32_t p = product(x[i], y[column - i]);

            low += p & 0xffffu;
            high += p >> 16;
        }
        digit[column] = (uint16_t)low;
        carry = high + (low >> 16);
    }
    return (uint64_t)((uint32_t)digit[3] << 16 | digit[2]) << 32 | ((uint32_t)digit[1] << 16 | digit[0]);
}

int16_t __mspabi_divi(int16_t n, int16_t d)
{
    return (int16_t)e8_divide_s32(n, d);
}

int16_t __mspabi_remi(int16_t n, int16_t d)
{
    return (int16_t)e8_remainder_s32(n, d);
}

uint16_t __mspabi_divu(uint16_t n, uint16_t d)
{
    return (uint16_t)__mspabi_divul(n, d);
}

uint16_t __mspabi_remu(uint16_t n, uint16_t d)
{
    return (uint16_t)__mspabi_remul(n, d);
}

int32_t __mspabi_divli(int32_t n, int32_t d)
{
    return e8_divide_s32(n, d);
}

int32_t __mspabi_remli(int32_t n, int32_t d)
{
    return e8_remainder_s32(n, d);
}

uint32_t __mspabi_divul(uint32_t n, uint32_t d)
{
    uint32_t rest;

    return e8_divide_u32(n, d, &rest);
}

uint32_t __mspabi_remul(uint32_t n, uint32_t d)
{
    uint32_t rest;

    (void)e8_divide_u32(n, d, &rest);
    return rest;
}

/* Shifts by a constant 1 are instructions; these are the loops over them. */
uint32_t __mspabi_slll(uint32_t v, uint16_t n)
{
    while (n--)
        v <<= 1;
    return v;
}

uint32_t __mspabi_srll(uint32_t v, uint16_t n)
{
    while (n--)
        v >>= 1;
    return v;
}

int32_t __mspabi_sral(int32_t v, uint16_t n)
{
    while (n--)
        v >>= 1;
    return v;
}

uint64_t __mspabi_sllll(uint64_t v, uint16_t n)
{
    while (n--)
        v <<= 1;
    return v;
}

uint64_t __mspabi_srlll(uint64_t v, uint16_t n)
{
    while (n--)
        v >>= 1;
    return v;
}

int64_t __mspabi_srall(int64_t v, uint16_t n)
{
    while (n--)
        v >>= 1;
    return v;
}
