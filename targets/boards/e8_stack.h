/* SPDX-License-Identifier: 0BSD */
/* The stack pointer, for `eightbit bench`: below it a function may paint as long as it calls nothing. */
#ifndef E8_STACK_H
#define E8_STACK_H

#include <stdint.h>

/* Sets `at` (uintptr_t) to the lowest address in use. */
#if defined(__arm__) || defined(__aarch64__)
#    define E8_STACK_POINTER(at) __asm__ volatile("mov %0, sp" : "=r"(at))
#elif defined(__riscv)
#    define E8_STACK_POINTER(at) __asm__ volatile("mv %0, sp" : "=r"(at))
#elif defined(__x86_64__)
#    define E8_STACK_POINTER(at) __asm__ volatile("mov %%rsp, %0" : "=r"(at))
#elif defined(__hexagon__)
#    define E8_STACK_POINTER(at) __asm__ volatile("%0 = r29" : "=r"(at))
#elif defined(__xtensa__)
#    define E8_STACK_POINTER(at) __asm__ volatile("mov %0, a1" : "=r"(at))
#elif defined(__s390x__)
#    define E8_STACK_POINTER(at) __asm__ volatile("lgr %0, %%r15" : "=r"(at))
#elif defined(__MSP430__)
#    define E8_STACK_POINTER(at) __asm__ volatile("mov r1, %0" : "=r"(at))
#elif defined(__AVR__)
#    include <avr/io.h>
#    define E8_STACK_POINTER(at) ((at) = SP + 1u) /* it points to the next free byte */
#endif

#endif
