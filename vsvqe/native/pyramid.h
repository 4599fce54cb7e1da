/* Pictures in several sizes, each half as large as the one before it.
 *
 * After Burt and Adelson, "The Laplacian pyramid as a compact image code", IEEE Transactions on
 * Communications 31(4), 1983; exactly as OpenCV's `pyrDown` rounds, and mirrors at the edges.
 */

#ifndef PYRAMID_H
#define PYRAMID_H

#include "picture.h"

#include <stdint.h>
#include <stdlib.h>

#define MOST_LEVELS 8

/* Pixels of a row that are made together. */
#define TOGETHER 128

/* Mirrors a position at the outermost pixels of a line of n, which are not repeated. */
static int64_t reflected(int64_t i, int64_t n) {
    while (i < 0 || i >= n) {
        if (n == 1) return 0;
        i = i < 0 ? -i : 2 * n - 2 - i;
    }
    return i;
}

/* Weighted sum of the same column of five rows. */
static inline uint16_t down(const uint8_t *const *rows, int64_t x) {
    return (uint16_t)(rows[0][x] + rows[4][x] + 4 * (rows[1][x] + rows[3][x]) + 6 * rows[2][x]);
}

/* Makes `count` pixels of row `y` from `first` on. */
static void halved(const picture *of, int64_t y, int64_t first, int count, uint8_t *out) {
    const uint8_t *rows[5];
    uint16_t sums[2 * TOGETHER + 4], even[TOGETHER + 2], odd[TOGETHER + 2];
    for (int k = 0; k < 5; k++)
        rows[k] = of->pixels + reflected(2 * y + k - 2, of->height) * of->pitch;
    /* Only some of the first and of the last columns are mirrored. */
    const int64_t left = 2 * first - 2, wanted = 2 * count + 3;
    const int64_t begin = left < 0 ? -left : 0;
    const int64_t end = of->width - left < wanted ? of->width - left : wanted;
    for (int64_t i = 0; i < begin; i++) sums[i] = down(rows, reflected(left + i, of->width));
    for (int64_t i = begin; i < end; i++) sums[i] = down(rows, left + i);
    for (int64_t i = end; i < wanted; i++) sums[i] = down(rows, reflected(left + i, of->width));
    for (int i = 0; i < count + 1; i++) even[i] = sums[2 * i], odd[i] = sums[2 * i + 1];
    even[count + 1] = sums[2 * count + 2];
    for (int i = 0; i < count; i++)
        out[i] = (uint8_t)((even[i] + even[i + 2] + 4 * (odd[i] + odd[i + 1]) + 6 * even[i + 1] + 128) >> 8);
}

/* Makes further sizes of a picture, `levels` with itself; returns the memory that they are in. */
static uint8_t *pyramid(const picture *of, int levels, picture *sizes) {
    /* Sides are half as long, and up to one more: together this is more than enough. */
    uint8_t *memory = malloc((size_t)((of->width + 2 * MOST_LEVELS) * (of->height + 2 * MOST_LEVELS)));
    uint8_t *next = memory;
    sizes[0] = *of;
    for (int level = 1; level < levels && memory; level++) {
        const picture *from = sizes + level - 1;
        const int64_t width = (from->width + 1) / 2, height = (from->height + 1) / 2;
        for (int64_t y = 0; y < height; y++)
            for (int64_t x = 0; x < width; x += TOGETHER)
                halved(from, y, x, width - x < TOGETHER ? (int)(width - x) : TOGETHER,
                       next + y * width + x);
        sizes[level] = (picture){next, width, width, height};
        next += width * height;
    }
    return memory;
}

#endif
