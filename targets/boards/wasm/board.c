/* SPDX-License-Identifier: 0BSD */
/* WebAssembly: run.mjs brings put and exit, calls main, and takes its result as the status. */
#include "e8_board.h"

__attribute__((import_module("board"), import_name("put"))) void e8_import_put(int c);
__attribute__((import_module("board"), import_name("exit"), noreturn)) void e8_import_exit(int status);

void e8_board_put(char c)
{
    e8_import_put((unsigned char)c);
}

void e8_board_exit(int status)
{
    e8_import_exit(status);
}

/* main() would be mangled by its signature; this name is not. */
__attribute__((export_name("start"))) void e8_start(void)
{
    e8_board_exit(main());
}
