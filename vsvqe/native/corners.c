/* The best corner of each cell of a grid: Shi and Tomasi, "Good features to track", CVPR 1994.
 *
 * The measure is that of OpenCV's `cornerMinEigenVal` with blocks and apertures of 3: the smaller
 * eigenvalue of the structure tensor, whose derivatives are Sobel's.
 */

#include "corners.h"

#include <math.h>

/* Columns that are computed together; a cell is narrower. */
#define MOST 256

/* Sums over three columns of the products of the derivatives, one row of each. */
typedef struct {
    float xx[MOST], xy[MOST], yy[MOST];
} products;

/* Reads `count` columns of a row, and one more on each side, from `left` on. */
static void summed(const uint8_t *row, int64_t pitch, int64_t left, int count, products *out) {
    /* OpenCV's scale: four for the derivative, three for the block, codes as parts of one. */
    const float scale = 1.0f / (4.0f * 3.0f * 255.0f);
    const uint8_t *above = row - pitch + left, *own = row + left, *below = row + pitch + left;
    float dx[MOST + 2], dy[MOST + 2];
    for (int i = -1; i <= count; i++) {
        dx[i + 1] = scale * (float)((above[i + 1] - above[i - 1]) + 2 * (own[i + 1] - own[i - 1]) +
                                    (below[i + 1] - below[i - 1]));
        dy[i + 1] = scale * (float)((below[i - 1] - above[i - 1]) + 2 * (below[i] - above[i]) +
                                    (below[i + 1] - above[i + 1]));
    }
    for (int i = 0; i < count; i++) {
        out->xx[i] = dx[i] * dx[i] + dx[i + 1] * dx[i + 1] + dx[i + 2] * dx[i + 2];
        out->xy[i] = dx[i] * dy[i] + dx[i + 1] * dy[i + 1] + dx[i + 2] * dy[i + 2];
        out->yy[i] = dy[i] * dy[i] + dy[i + 1] * dy[i + 1] + dy[i + 2] * dy[i + 2];
    }
}

/* Finds the strongest corner of each cell, the first of equal ones.
 *
 * left, top: of the grid; three pixels at least are around it. places: column and row of each
 * corner. strengths: theirs. */
void corners(const uint8_t *pixels, int64_t pitch, int64_t left, int64_t top, int cell,
             int64_t columns, int64_t rows, int64_t *places, float *strengths) {
    const int64_t together = MOST / cell;
    products three[3];
    float best[MOST];
    int at[MOST];
    for (int64_t row = 0; row < rows; row++) {
        for (int64_t first = 0; first < columns; first += together) {
            const int64_t cells = columns - first < together ? columns - first : together;
            const int count = (int)cells * cell;
            const int64_t x = left + first * cell, y = top + row * cell;
            for (int k = 0; k < 2; k++)
                summed(pixels + (y + k - 1) * pitch, pitch, x, count, three + k);
            for (int i = 0; i < count; i++) best[i] = -INFINITY;
            for (int j = 0; j < cell; j++) {
                summed(pixels + (y + j + 1) * pitch, pitch, x, count, three + (j + 2) % 3);
                for (int i = 0; i < count; i++) {
                    const float a = 0.5f * (three[0].xx[i] + three[1].xx[i] + three[2].xx[i]);
                    const float b = three[0].xy[i] + three[1].xy[i] + three[2].xy[i];
                    const float c = 0.5f * (three[0].yy[i] + three[1].yy[i] + three[2].yy[i]);
                    const float least = (a + c) - sqrtf((a - c) * (a - c) + b * b);
                    at[i] = least > best[i] ? j : at[i];
                    best[i] = least > best[i] ? least : best[i];
                }
            }
            for (int64_t n = 0; n < cells; n++) {
                int found = (int)n * cell;
                for (int i = found + 1; i < (int)(n + 1) * cell; i++)
                    if (best[i] > best[found] || (best[i] == best[found] && at[i] < at[found]))
                        found = i;
                const int64_t number = row * columns + first + n;
                places[2 * number] = x + found;
                places[2 * number + 1] = y + at[found];
                strengths[number] = best[found];
            }
        }
    }
}
