/* SPDX-License-Identifier: 0BSD */
/* ATmega2560: characters go out by the first serial port, the status waits in GPIOR0 for the simulator. */
#include "e8_board.h"

#include <avr/interrupt.h>
#include <avr/io.h>
#include <avr/sleep.h>

/* Behind all other data, so that the linker keeps this much for the stack at least; it has all that is left. */
__attribute__((section(".noinit"), used)) static unsigned char stack[1024];

void e8_board_put(char c)
{
    UCSR0B = 1 << TXEN0;
    while (!(UCSR0A & (1 << UDRE0))) {
    }
    UDR0 = (unsigned char)c;
}

/* What avr-libc's start-up jumps to with the result of main(). */
void exit(int status);

void exit(int status)
{
    e8_board_exit(status);
    for (;;)
        continue; /* the compiler knows that exit() does not return */
}

void e8_board_exit(int status)
{
    GPIOR0 = (unsigned char)status;
    cli();
    for (;;)
        sleep_mode(); /* with interrupts off nothing can wake it: the simulator ends */
}
