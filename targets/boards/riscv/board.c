/* SPDX-License-Identifier: 0BSD */
/* RISC-V without an operating system in QEMU's `virt` machine; start.S brings e8_semihost. */
#include "e8_board.h"

long e8_semihost(long operation, const void *argument);

#include "e8_semihosting.inc"
