/* SPDX-License-Identifier: 0BSD */
/* What a board gives the firmware of `eightbit verify --target`: one folder beside this file each.
 *
 * Its start-up sets the stack, fills .data, clears .bss, calls main() and then e8_board_exit() with its result. */
#ifndef E8_BOARD_H
#define E8_BOARD_H

/* One character to the host. */
void e8_board_put(char c);

/* Ends the emulation; what was put before has arrived. Status 0: main() came to its end. */
void e8_board_exit(int status);

int main(void);

#endif
