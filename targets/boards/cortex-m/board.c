/* SPDX-License-Identifier: 0BSD */
/* Cortex-M in QEMU: start-up, and characters to the host by semihosting. */
#include "e8_board.h"

#include <stdint.h>

#define FAULTED 99

/* Of the linker script. */
extern uint32_t e8_data_load[], e8_data_start[], e8_data_end[], e8_bss_start[], e8_bss_end[], e8_stack_top[];

void e8_start(void);
void e8_reset(void);

static long e8_semihost(long operation, const void *argument)
{
    register long r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = argument;

    __asm__ volatile("bkpt 0xAB" : "+r"(r0) : "r"(r1) : "memory");
    return r0;
}

#include "e8_semihosting.inc"

/* Floating point and Helium trap until CPACR gives access to them, and a compiler may use their registers in any C
 * function, e8_start() too: so this is the first thing that happens, in assembly. */
__asm__(".syntax unified\n"
        ".thumb\n"
        ".section .text.e8_reset,\"ax\"\n"
        ".global e8_reset\n"
        ".thumb_func\n"
        ".type e8_reset, %function\n"
        "e8_reset:\n"
#if defined(__ARM_FP) || defined(__ARM_FEATURE_MVE)
        "    ldr  r0, =0xE000ED88\n" /* CPACR */
        "    ldr  r1, [r0]\n"
        "    movs r2, #0xF\n" /* full access to coprocessors 10 and 11 */
        "    lsls r2, r2, #20\n"
        "    orrs r1, r2\n"
        "    str  r1, [r0]\n"
        "    dsb\n"
        "    isb\n"
#endif
        "    ldr  r0, =e8_start\n"
        "    bx   r0\n"
        "    .pool\n"
        ".text\n");

void e8_start(void)
{
    const uint32_t *from = e8_data_load;
    uint32_t *to;

    for (to = e8_data_start; to < e8_data_end; to++)
        *to = *from++;
    for (to = e8_bss_start; to < e8_bss_end; to++)
        *to = 0;
    e8_board_exit(main());
}

static void fault(void)
{
    (void)e8_semihost(E8_SYS_WRITE0, "FAULT\n");
    e8_board_exit(FAULTED);
}

typedef void (*vector)(void);

/* clang-format off */
/* Initial stack pointer, reset, NMI and faults; 0 where the architecture reserves the place. */
__attribute__((section(".vectors"), used)) static const vector vectors[16] = {
    (vector)(uintptr_t)e8_stack_top, e8_reset, fault, fault, fault, fault, fault, fault,
    0, 0, 0, fault, fault, 0, fault, fault
};
