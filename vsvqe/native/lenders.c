/* Which neighbours have what is missing of a corrected frame. */

#include "exported.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>

/* Whether a homography maps a point of the frame into it; half: of its width, in heights. */
static int inside(const double *m, double x, double y, double half) {
    const double w = m[6] * x + m[7] * y + m[8];
    return fabs((m[0] * x + m[1] * y + m[2]) / w) <= half &&
           fabs((m[3] * x + m[4] * y + m[5]) / w) <= 0.5;
}

/* Chooses neighbours that have most of what is missing, one after the other.
 *
 * correction: of the frame. from: maps points of the result to those of each of N neighbours. worth:
 * of a point that they have. points: (x, y) all over the result. chosen: takes up to `most` numbers
 * of neighbours. Returns how many, -1 where there is no memory. */
EXPORTED int lenders(const double *correction, const double *from, const double *worth,
                     int neighbours, const double *points, int64_t count, double half, int most,
                     int32_t *chosen) {
    int64_t missing = 0;
    int found = 0;
    double *left = malloc((size_t)count * 2 * sizeof(double));
    uint8_t *covered = malloc((size_t)count * (size_t)neighbours);
    uint8_t *done = calloc((size_t)count, 1);
    if (!left || !covered || !done) found = -1;
    for (int64_t i = 0; i < count && found >= 0; i++) {
        if (inside(correction, points[2 * i], points[2 * i + 1], half)) continue;
        left[2 * missing] = points[2 * i], left[2 * missing + 1] = points[2 * i + 1];
        missing++;
    }
    for (int n = 0; n < neighbours && found >= 0; n++)
        for (int64_t i = 0; i < missing; i++)
            covered[n * missing + i] =
                (uint8_t)inside(from + 9 * n, left[2 * i], left[2 * i + 1], half);
    while (found >= 0 && found < most) {
        int best = -1;
        double gain = 0.0;
        for (int n = 0; n < neighbours; n++) {
            int64_t more = 0;
            for (int64_t i = 0; i < missing; i++) more += covered[n * missing + i] & !done[i];
            if (worth[n] * (double)more > gain) best = n, gain = worth[n] * (double)more;
        }
        if (best < 0) break;
        for (int64_t i = 0; i < missing; i++) done[i] |= covered[best * missing + i];
        chosen[found++] = best;
    }
    free(left);
    free(covered);
    free(done);
    return found;
}
