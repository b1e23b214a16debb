/* SPDX-License-Identifier: 0BSD */
/* MSP430 in mspdebug's simulator, whose console prints what is written to an address. */
#include "e8_board.h"

#define CONSOLE (*(volatile unsigned char *)0x00FFu)

void e8_board_put(char c)
{
    CONSOLE = (unsigned char)c;
}
