/* SPDX-License-Identifier: 0BSD */
/* RISC-V start-up in machine mode, 32 and 64 bits: stack, vector and float units, .bss, then main(). */
    .section .text.start, "ax"
    .globl _start
_start:
    .option push
    .option norelax /* gp is what relaxed code addresses by, so it cannot be loaded that way */
    la gp, __global_pointer$
    .option pop
    la sp, e8_stack_top
    la t0, e8_trap
    csrw mtvec, t0
#ifdef __riscv_vector
    li t0, 0x600 /* mstatus.VS = dirty: vector instructions trap without it */
    csrs mstatus, t0
#endif
#ifdef __riscv_flen
    li t0, 0x6000 /* mstatus.FS = dirty */
    csrs mstatus, t0
#endif
    la t0, e8_bss
    la t1, e8_bss_end
1:  bgeu t0, t1, 2f
    sb zero, 0(t0)
    addi t0, t0, 1
    j 1b
2:  call main
    call e8_board_exit /* a0 holds the status */

    .balign 4
e8_trap: /* no exception is expected: it ends the run */
    li a0, 99
    call e8_board_exit

/* long e8_semihost(long operation, const void *argument): the emulator knows the call by these three instructions,
 * which must not be compressed and must lie in one page. */
    .globl e8_semihost
    .balign 16
    .option push
    .option norvc
e8_semihost:
    slli x0, x0, 0x1f
    ebreak
    srai x0, x0, 7
    .option pop
    ret
