/* SPDX-License-Identifier: 0BSD */
#include "e8_memory.inc"
