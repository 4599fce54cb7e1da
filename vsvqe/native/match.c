/* Textured points of one picture, and where they are in another: corners that are followed there and
 * back, and are kept if they come back to where they were and look the same. */

#include "corners.h"
#include "exported.h"
#include "track.h"

#include <math.h>
#include <stdlib.h>

/* How points are chosen and followed. */
typedef struct {
    /* The grid of the half-size picture, a corner of each cell of which is taken. */
    int64_t left, top, columns, rows;
    int32_t cell;
    /* See `there_and_back`. */
    int32_t levels, turns, turns_back, few;
    float enough, enough_back;
    /* Strength of a corner below which there is nothing to hold on to, and from which on texture is
     * as good as any. */
    float flat, textured;
    /* How far away from where it was a point that came back may be, and how much what is around it
     * must look alike. */
    float away, alike;
} choice;

/* Makes a picture half as large: means of four pixels. A last column or row without another is left
 * out. */
static void halved(const picture *of, uint8_t *out) {
    const int64_t width = of->width / 2;
    for (int64_t y = 0; y < of->height / 2; y++, out += width) {
        const uint8_t *row = of->pixels + 2 * y * of->pitch, *next = row + of->pitch;
        for (int64_t x = 0; x < width; x++)
            out[x] = (uint8_t)((row[2 * x] + row[2 * x + 1] + next[2 * x] + next[2 * x + 1] + 2) >> 2);
    }
}

/* Finds corners that there is something to hold on to at; returns how many.
 *
 * places, strengths: as many as there are cells. points: in pixels. texture: 0 to 1. */
static int64_t found(const picture *of, const choice *by, uint8_t *small, int64_t *places,
                     float *strengths, float *points, double *texture) {
    int64_t count = 0;
    halved(of, small);
    corners(small, of->width / 2, by->left, by->top, by->cell, by->columns, by->rows, places,
            strengths);
    for (int64_t n = 0; n < by->columns * by->rows; n++) {
        if (!(strengths[n] > by->flat)) continue;
        points[2 * count] = (float)places[2 * n] * 2.0f + 0.5f;
        points[2 * count + 1] = (float)places[2 * n + 1] * 2.0f + 0.5f;
        texture[count++] = fminf(strengths[n] / by->textured, 1.0f);
    }
    return count;
}

/* Matches two pictures of one size, of eight pixels a side at least.
 *
 * before, after: (x, y) of each match. weights: how well it is known. All three have room for as many
 * as there are cells. candidates: how many points were looked for. Returns how many were found, -1
 * where there is no memory. */
EXPORTED int64_t match(const picture *from, const picture *to, const choice *by, float *before,
                       float *after, double *weights, int64_t *candidates) {
    const int64_t cells = by->columns * by->rows;
    int64_t kept = -1;
    uint8_t *small = malloc((size_t)(from->width * from->height / 4));
    int64_t *places = malloc((size_t)cells * 2 * sizeof(int64_t));
    /* Strengths, and then how much points look alike; where they are when they are back. */
    float *numbers = malloc((size_t)cells * 3 * sizeof(float));
    uint8_t *lost = malloc((size_t)cells);
    if (small && places && numbers && lost) {
        float *const back = numbers + cells;
        *candidates = found(from, by, small, places, numbers, before, weights);
        if (there_and_back(from, to, by->levels, before, *candidates, by->turns, by->enough,
                           by->turns_back, by->enough_back, by->few, after, back, lost)) {
            correlate(from, to, before, after, numbers, *candidates);
            kept = 0;
            for (int64_t n = 0; n < *candidates; n++) {
                const float *own = before + 2 * n, *there = after + 2 * n, *returned = back + 2 * n;
                const float error = hypotf(returned[0] - own[0], returned[1] - own[1]);
                if (lost[n] || !(error < by->away) || numbers[n] < by->alike) continue;
                if (!(there[0] >= 0.0f && there[0] <= (float)(to->width - 1) && there[1] >= 0.0f &&
                      there[1] <= (float)(to->height - 1)))
                    continue;
                const double part = error / (0.5 * by->away);
                weights[kept] = weights[n] / (1.0 + part * part);
                before[2 * kept] = own[0], before[2 * kept + 1] = own[1];
                after[2 * kept] = there[0], after[2 * kept + 1] = there[1];
                kept++;
            }
        }
    }
    free(small);
    free(places);
    free(numbers);
    free(lost);
    return kept;
}
