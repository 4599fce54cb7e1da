/* Points that are followed from one picture to another: pyramidal Lucas-Kanade.
 *
 * After Bouguet, "Pyramidal implementation of the affine Lucas Kanade feature tracker", Intel
 * Corporation, 2001, which OpenCV follows too. Here only what is around the points is differentiated,
 * in single precision.
 */

#include "track.h"

#include "edges.h"
#include "pyramid.h"

#include <string.h>

/* Columns and rows around a point that it is known by: as many columns as are computed at once. */
#define COLUMNS 16
#define ROWS 24
#define AREA (COLUMNS * ROWS)
/* Mean square of the gradient along which there is least of it, in codes a pixel: below, there is
 * nothing to follow. */
static const float FLAT = 0.1f;
/* Two steps that undo each other up to this many pixels go on for ever. */
static const float UNDONE = 0.01f;

#define AROUND 4
#define PATCH (2 * AROUND + 1)

/* Returns where pixels from (left, top) on are; mirrored beyond the edge, in `spare`. */
static const uint8_t *pixels_at(const picture *of, int64_t left, int64_t top, int columns, int rows,
                                uint8_t *spare, int64_t *pitch) {
    if (left >= 0 && top >= 0 && left + columns <= of->width && top + rows <= of->height) {
        *pitch = of->pitch;
        return of->pixels + top * of->pitch + left;
    }
    *pitch = columns;
    for (int j = 0; j < rows; j++) {
        const uint8_t *row = of->pixels + mapped(top + j, of->height, MIRROR) * of->pitch;
        for (int i = 0; i < columns; i++) spare[j * columns + i] = row[mapped(left + i, of->width, MIRROR)];
    }
    return spare;
}

/* Reads points between pixels; (x, y) is the first. */
static inline __attribute__((always_inline)) void between(const picture *of, float x, float y,
                                                          int columns, int rows,
                                                          float *restrict out) {
    uint8_t spare[(COLUMNS + 3) * (ROWS + 3)];
    const float left = floorf(x), top = floorf(y), right = x - left, down = y - top;
    const float w00 = (1 - right) * (1 - down), w01 = right * (1 - down);
    const float w10 = (1 - right) * down, w11 = right * down;
    int64_t pitch;
    const uint8_t *pixels =
        pixels_at(of, (int64_t)left, (int64_t)top, columns + 1, rows + 1, spare, &pitch);
    for (int j = 0; j < rows; j++) {
        const uint8_t *row = pixels + j * pitch, *next = row + pitch;
        for (int i = 0; i < columns; i++)
            out[j * columns + i] = w00 * (float)row[i] + w01 * (float)row[i + 1] +
                                   w10 * (float)next[i] + w11 * (float)next[i + 1];
    }
}

static float sum(const float *lanes) {
    float total = 0.0f;
    for (int i = 0; i < COLUMNS; i++) total += lanes[i];
    return total;
}

/* What is around a point, and how it changes to the right and downwards. */
typedef struct {
    float codes[AREA], right[AREA], down[AREA];
    float xx, xy, yy;
} surroundings;

/* Returns whether there is something to follow. */
static int known(const picture *of, float x, float y, surroundings *found) {
    float around[(COLUMNS + 2) * (ROWS + 2)], xx[COLUMNS] = {0}, xy[COLUMNS] = {0}, yy[COLUMNS] = {0};
    between(of, x - 1.0f, y - 1.0f, COLUMNS + 2, ROWS + 2, around);
    for (int j = 0; j < ROWS; j++) {
        const float *a = around + j * (COLUMNS + 2), *b = a + COLUMNS + 2, *c = b + COLUMNS + 2;
        for (int i = 0; i < COLUMNS; i++) {
            /* Scharr's derivatives. */
            const float dx = (3.0f * (a[i + 2] - a[i] + c[i + 2] - c[i]) + 10.0f * (b[i + 2] - b[i])) *
                             (1.0f / 32.0f);
            const float dy = (3.0f * (c[i] - a[i] + c[i + 2] - a[i + 2]) + 10.0f * (c[i + 1] - a[i + 1])) *
                             (1.0f / 32.0f);
            found->codes[j * COLUMNS + i] = b[i + 1];
            found->right[j * COLUMNS + i] = dx;
            found->down[j * COLUMNS + i] = dy;
            xx[i] += dx * dx;
            xy[i] += dx * dy;
            yy[i] += dy * dy;
        }
    }
    found->xx = sum(xx), found->xy = sum(xy), found->yy = sum(yy);
    const float apart = found->xx - found->yy;
    const float least = 0.5f * (found->xx + found->yy -
                                sqrtf(apart * apart + 4.0f * found->xy * found->xy));
    return least >= FLAT * AREA;
}

/* Whether a window that begins at (x, y) has anything of a picture. */
static int within(const picture *of, float x, float y) {
    return x >= -COLUMNS && y >= -ROWS && x < (float)of->width && y < (float)of->height;
}

/* Moves (x, y), where a window begins, to what looks like the surroundings; 0 if it is lost. */
static int approached(const picture *to, const surroundings *from, float *x, float *y, int turns,
                      float enough) {
    const float power = from->xx * from->yy - from->xy * from->xy;
    float last_x = 0.0f, last_y = 0.0f, seen[AREA];
    for (int turn = 0; turn < turns; turn++) {
        if (!within(to, *x, *y)) return 0;
        float along_x[COLUMNS] = {0}, along_y[COLUMNS] = {0};
        between(to, *x, *y, COLUMNS, ROWS, seen);
        for (int j = 0; j < AREA; j += COLUMNS) {
            for (int i = 0; i < COLUMNS; i++) {
                const float off = seen[j + i] - from->codes[j + i];
                along_x[i] += off * from->right[j + i];
                along_y[i] += off * from->down[j + i];
            }
        }
        const float bx = sum(along_x), by = sum(along_y);
        const float dx = (from->xy * by - from->yy * bx) / power;
        const float dy = (from->xy * bx - from->xx * by) / power;
        *x += dx;
        *y += dy;
        if (dx * dx + dy * dy <= enough * enough) break;
        if (turn > 0 && fabsf(dx + last_x) < UNDONE && fabsf(dy + last_y) < UNDONE) {
            *x -= 0.5f * dx;
            *y -= 0.5f * dy;
            break;
        }
        last_x = dx, last_y = dy;
    }
    return 1;
}

/* When a point is followed far enough: after so many turns, or a step of so few pixels. */
typedef struct {
    int turns;
    float enough;
} goal;

/* Follows points (x, y) from where they are guessed to be in the other picture.
 *
 * from, to: `levels` sizes each. places: where the points are found. lost: set where they are not. */
static void follow(const picture *from, const picture *to, int levels, const float *points,
                   float *places, uint8_t *lost, int64_t count, goal until) {
    const float across = 0.5f * (COLUMNS - 1), down = 0.5f * (ROWS - 1);
    surroundings around;
    for (int64_t n = 0; n < count; n++) {
        float x = 0.0f, y = 0.0f;
        for (int level = levels - 1; level >= 0; level--) {
            const float scale = 1.0f / (float)(1 << level);
            const float own_x = points[2 * n] * scale - across;
            const float own_y = points[2 * n + 1] * scale - down;
            if (level == levels - 1) {
                x = places[2 * n] * scale - across;
                y = places[2 * n + 1] * scale - down;
            } else {
                x = 2.0f * (x + across) - across;
                y = 2.0f * (y + down) - down;
            }
            const int held = within(from + level, own_x, own_y) &&
                             known(from + level, own_x, own_y, &around) &&
                             approached(to + level, &around, &x, &y, until.turns, until.enough);
            if (level == 0) lost[n] |= !held;
        }
        places[2 * n] = x + across;
        places[2 * n + 1] = y + down;
    }
}

/* Follows points from one picture to another, and back again.
 *
 * levels: in how many sizes of the pictures. few: of less points than this, each is followed back
 * through all of them, too; others begin where they should end. there, back: where they are found;
 * lost: whether they are not, on one of the ways. Returns 0 where there is no memory. */
int there_and_back(const picture *from, const picture *to, int levels, const float *points,
                   int64_t count, int turns, float enough, int turns_back, float enough_back,
                   int64_t few, float *there, float *back, uint8_t *lost) {
    const goal first = {turns, enough}, second = {turns_back, enough_back};
    const size_t size = (size_t)count * 2 * sizeof(float);
    if (levels > MOST_LEVELS) levels = MOST_LEVELS;
    picture before[MOST_LEVELS], after[MOST_LEVELS];
    uint8_t *one = pyramid(from, levels, before), *other = pyramid(to, levels, after);
    if (one && other) {
        memset(lost, 0, (size_t)count);
        memcpy(there, points, size);
        follow(before, after, levels, points, there, lost, count, first);
        if (count < few) {
            memcpy(back, there, size);
            follow(after, before, levels, there, back, lost, count, first);
        } else {
            memcpy(back, points, size);
            follow(after, before, 1, there, back, lost, count, second);
        }
    }
    const int done = one && other;
    free(one);
    free(other);
    return done;
}

/* How much the surroundings of points look alike: normalised cross-correlation. */
void correlate(const picture *from, const picture *to, const float *points, const float *places,
               float *alike, int64_t count) {
    float own[PATCH * PATCH], other[PATCH * PATCH];
    for (int64_t n = 0; n < count; n++) {
        float means[2] = {0}, powers[2] = {0}, common = 0.0f;
        const float x = (float)bounded(places[2 * n]), y = (float)bounded(places[2 * n + 1]);
        between(from, points[2 * n] - AROUND, points[2 * n + 1] - AROUND, PATCH, PATCH, own);
        between(to, x - AROUND, y - AROUND, PATCH, PATCH, other);
        for (int i = 0; i < PATCH * PATCH; i++) {
            means[0] += own[i] / (PATCH * PATCH);
            means[1] += other[i] / (PATCH * PATCH);
        }
        for (int i = 0; i < PATCH * PATCH; i++) {
            const float a = own[i] - means[0], b = other[i] - means[1];
            powers[0] += a * a;
            powers[1] += b * b;
            common += a * b;
        }
        alike[n] = common / sqrtf(fmaxf(powers[0], 1e-3f) * fmaxf(powers[1], 1e-3f));
    }
}
