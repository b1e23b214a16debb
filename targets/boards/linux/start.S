/* SPDX-License-Identifier: 0BSD */
/* Linux programs without a C library: the kernel gives a stack and cleared .bss; align the stack, call main(). */
    .text
    .globl _start
    .type _start, @function
#if defined(__hexagon__)
_start:
    { r29 = and(r29, #-128) } /* as wide as a vector */
    { allocframe(#0) }
    { call main }
    { call e8_board_exit } /* r0 holds the status */
#elif defined(__xtensa__)
    .align 4
    .literal_position
_start:
    movi a2, -16
    and a1, a1, a2
    call0 main
    call0 e8_board_exit /* a2 holds the status */
#else
#    error "add the start-up of this processor"
#endif
    .size _start, . - _start
