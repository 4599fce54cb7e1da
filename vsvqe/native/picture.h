#ifndef PICTURE_H
#define PICTURE_H

#include <stdint.h>

/* A plane of 8 bits. */
typedef struct {
    const uint8_t *pixels;
    int64_t pitch, width, height;
} picture;

#endif
