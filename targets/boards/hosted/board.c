/* SPDX-License-Identifier: 0BSD */
/* A program of an operating system with a C library, as user-mode emulators run it. */
#include "e8_board.h"

#include <stdio.h>
#include <stdlib.h>

void e8_board_put(char c)
{
    putchar(c);
}

void e8_board_exit(int status)
{
    exit(status);
}
