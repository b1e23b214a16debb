; SPDX-License-Identifier: 0BSD
; MSP430 start-up: stack, .data out of flash, .bss, then main(); its result stays in r12 for the host to read.
    .section .text.start, "ax", @progbits
    .globl e8_start
e8_start:
    mov #e8_stack_top, r1
    mov #e8_data_load, r13
    mov #e8_data, r12
1:  cmp #e8_data_end, r12
    jhs 2f
    mov.b @r13+, r14
    mov.b r14, 0(r12)
    inc r12
    jmp 1b
2:  mov #e8_bss, r12
3:  cmp #e8_bss_end, r12
    jhs 4f
    mov.b #0, 0(r12)
    inc r12
    jmp 3b
4:  call #main
    .globl e8_board_exit
e8_board_exit: ; the status is in r12
    br #e8_halt

    .section .halt, "ax", @progbits
e8_halt: ; where the linker script puts it the simulator has a breakpoint
    jmp e8_halt

    .section .vectors, "a", @progbits
    .word e8_start ; reset

    .text
    .globl __mspabi_mpyll
__mspabi_mpyll: ; the EABI gives the factors in r8..r11 and r12..r15; C takes the second from the stack
    push r11
    push r10
    push r9
    push r8
    call #e8_multiply_u64
    add #8, r1
    ret
