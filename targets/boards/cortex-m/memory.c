/* SPDX-License-Identifier: 0BSD */
#include "e8_memory.inc"

/* The names of the Arm run-time ABI, which clang calls: no result, and of fill the size before the value. */
void __aeabi_memcpy(void *to, const void *from, size_t n);
void __aeabi_memcpy4(void *to, const void *from, size_t n);
void __aeabi_memcpy8(void *to, const void *from, size_t n);
void __aeabi_memset(void *to, size_t n, int value);
void __aeabi_memclr(void *to, size_t n);
void __aeabi_memclr4(void *to, size_t n);
void __aeabi_memclr8(void *to, size_t n);

void __aeabi_memcpy(void *to, const void *from, size_t n)
{
    memmove(to, from, n);
}

void __aeabi_memcpy4(void *to, const void *from, size_t n)
{
    memmove(to, from, n);
}

void __aeabi_memcpy8(void *to, const void *from, size_t n)
{
    memmove(to, from, n);
}

void __aeabi_memset(void *to, size_t n, int value)
{
    memset(to, value, n);
}

void __aeabi_memclr(void *to, size_t n)
{
    memset(to, 0, n);
}

void __aeabi_memclr4(void *to, size_t n)
{
    memset(to, 0, n);
}

void __aeabi_memclr8(void *to, size_t n)
{
    memset(to, 0, n);
}
