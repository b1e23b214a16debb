/* SPDX-License-Identifier: 0BSD */
/* Linux programs without a C library, for processors that QEMU runs in user mode. */
#include "e8_board.h"

#if defined(__hexagon__)
#    define SYS_WRITE 64
#    define SYS_EXIT 93

static long system_call(long number, long a, long b, long c)
{
    register long r6 __asm__("r6") = number;
    register long r0 __asm__("r0") = a;
    register long r1 __asm__("r1") = b;
    register long r2 __asm__("r2") = c;

    __asm__ volatile("trap0(#1)" : "+r"(r0) : "r"(r1), "r"(r2), "r"(r6) : "memory");
    return r0;
}
#elif defined(__xtensa__)
#    define SYS_WRITE 13
#    define SYS_EXIT 118

static long system_call(long number, long a, long b, long c)
{
    register long a2 __asm__("a2") = number;
    register long a6 __asm__("a6") = a;
    register long a3 __asm__("a3") = b;
    register long a4 __asm__("a4") = c;

    __asm__ volatile("syscall" : "+r"(a2) : "r"(a6), "r"(a3), "r"(a4) : "memory");
    return a2;
}
#else
#    error "add the system calls of this processor"
#endif

static char line[128]; /* a system call per character would cost more than a network */
static long used;

static void flush(void)
{
    (void)system_call(SYS_WRITE, 1, (long)line, used);
    used = 0;
}

void e8_board_put(char c)
{
    line[used++] = c;
    if (c == '\n' || used == (long)sizeof line)
        flush();
}

void e8_board_exit(int status)
{
    flush();
    for (;;)
        (void)system_call(SYS_EXIT, status, 0, 0);
}
