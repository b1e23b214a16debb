/* SPDX-License-Identifier: 0BSD */
/* A reader of handwritten digits that wakes its large network only where a small one sees ink. */
#ifndef READER_H
#define READER_H

#include "e8_types.h"

enum { READER_BLANK = -1, READER_FAILED = -2 };

/* The digit on an image of 8x8 s8 pixels, or READER_BLANK; `image` is left as it is, `ink` and `logits` (10 values;
 * only where there is ink) are what the networks said. */
e8_s16 reader_read(const e8_s8 *image, e8_s8 *ink, e8_s8 *logits);

#endif
