/* Other frames of the scene, blended in where a corrected frame has no picture of its own. */

#ifndef SAMPLE

#include "exported.h"
#include "resample.h"
#include "select.h"

#define MOST_PLANES 3
/* Where all others together weigh a tenth and less, the mirrored picture fades in: the share that
 * they leave, to the power of 16. */
#define MIRROR_SQUARINGS 4

/* How frames lie: width and height of a plane, pixels of the luma between its samples, and over how
 * many of those frames are blended. */
typedef struct {
    float width, height, step_x, step_y, feather;
} frame;

/* Maps sixteen samples from (i, j) on by a homography; returns 0 outside of the frame, 1 from the
 * feather inside on. */
static void placed(const double *m, const frame *of, int64_t i, int64_t j, float *x, float *y,
                   float *weight) {
    const double u = m[0] * (double)i + m[1] * (double)j + m[2];
    const double v = m[3] * (double)i + m[4] * (double)j + m[5];
    const double w = m[6] * (double)i + m[7] * (double)j + m[8];
    for (int k = 0; k < LANES; k++) {
        const double per = 1.0 / (w + m[6] * k);
        x[k] = (float)((u + m[0] * k) * per);
        y[k] = (float)((v + m[3] * k) * per);
        const float right = of->width - 0.5f - x[k], below = of->height - 0.5f - y[k];
        const float across = (x[k] + 0.5f < right ? x[k] + 0.5f : right) * of->step_x;
        const float down = (y[k] + 0.5f < below ? y[k] + 0.5f : below) * of->step_y;
        const float depth = (across < down ? across : down) / of->feather;
        weight[k] = depth > 0.0f ? (depth < 1.0f ? depth : 1.0f) : 0.0f;
    }
}

static int any(const float *weight) {
    int found = 0;
    for (int k = 0; k < LANES; k++) found |= weight[k] > 0.0f;
    return found;
}

/* Returns where in a plane the sample is that a homography maps (x, y) to; -1 outside of it. */
static int64_t nearest(const double *m, double x, double y, int64_t width, int64_t height,
                       int64_t pitch) {
    const double w = m[6] * x + m[7] * y + m[8];
    const double u = (m[0] * x + m[1] * y + m[2]) / w, v = (m[3] * x + m[4] * y + m[5]) / w;
    if (!(u >= 0 && v >= 0 && u <= (double)(width - 1) && v <= (double)(height - 1))) return -1;
    return (int64_t)rint(v) * pitch + (int64_t)rint(u);
}

#define THIS_FILE "fill.c"
#include "types.h"

#else

/* Finds what to add to the planes of neighbours: the median differences to those of the frame.
 *
 * The median is the upper one; without common points, 0. */
static void NAMED(brightness, SUFFIX)(const SAMPLE *const *own, const int64_t *own_pitches,
                                      int planes, int64_t width, int64_t height,
                                      const double *matrices, const SAMPLE *const *lent,
                                      const int64_t *pitches, int neighbours, const double *points,
                                      int64_t count, double *scratch, float *shifts) {
    for (int n = 0; n < neighbours; n++) {
        for (int p = 0; p < planes; p++) {
            const int which = n * planes + p;
            int64_t found = 0;
            for (const double *point = points; point < points + 2 * count; point += 2) {
                const int64_t here =
                    nearest(matrices, point[0], point[1], width, height, own_pitches[p]);
                const int64_t there = nearest(matrices + 9 * (n + 1), point[0], point[1], width,
                                              height, pitches[which]);
                if (here >= 0 && there >= 0)
                    scratch[found++] = (float)own[p][here] - (float)lent[which][there];
            }
            shifts[which] = found ? (float)selected(scratch, found, found / 2) : 0.0f;
        }
    }
}

/* Fills regions of planes that lie alike.
 *
 * out: P planes with the corrected frame, mirrored beyond its edge. own: those of the frame as it
 * was. matrices: of the frame and of N neighbours. lent: N x P planes, with their pitches. points:
 * (x, y) all over the result, where frames are compared. scratch: as many numbers. shifts: N x P,
 * takes what is added to the neighbours. regions: left, top, right and bottom of each. */
EXPORTED void NAMED(fill, SUFFIX)(SAMPLE *const *out, const int64_t *out_pitches,
                                  const SAMPLE *const *own, const int64_t *own_pitches, int planes,
                                  int64_t width, int64_t height, const double *matrices,
                                  const SAMPLE *const *lent, const int64_t *pitches, int neighbours,
                                  const double *points, int64_t point_count, double *scratch,
                                  float *shifts, float step_x, float step_y, float feather,
                                  float peak, const int64_t *regions, int count) {
    NAMED(brightness, SUFFIX)(own, own_pitches, planes, width, height, matrices, lent, pitches,
                              neighbours, points, point_count, scratch, shifts);
    const frame of = {(float)width, (float)height, step_x, step_y, feather};
    float x[LANES], y[LANES], weight[LANES], left_over[LANES], sums[MOST_PLANES][LANES];
    SAMPLE seen[LANES];
    for (const int64_t *region = regions; region < regions + 4 * count; region += 4) {
        for (int64_t j = region[1]; j < region[3]; j++) {
            for (int64_t i = region[0]; i < region[2]; i += LANES) {
                const int wanted = region[2] - i < LANES ? (int)(region[2] - i) : LANES;
                placed(matrices, &of, i, j, x, y, weight);
                for (int k = 0; k < LANES; k++) left_over[k] = k < wanted ? 1.0f - weight[k] : 0.0f;
                if (!any(left_over)) continue;
                for (int p = 0; p < planes; p++)
                    for (int k = 0; k < wanted; k++)
                        sums[p][k] = weight[k] * (float)out[p][j * out_pitches[p] + i + k];
                for (int n = 0; n < neighbours && any(left_over); n++) {
                    placed(matrices + 9 * (n + 1), &of, i, j, x, y, weight);
                    for (int k = 0; k < LANES; k++) {
                        weight[k] *= left_over[k];
                        left_over[k] -= weight[k];
                    }
                    if (!any(weight)) continue;
                    for (int p = 0; p < planes; p++) {
                        const int at = n * planes + p;
                        const NAMED(plane, SUFFIX)
                            plane = {lent[at], pitches[at], width, height, MIRROR, 0.0f, peak};
                        NAMED(some, SUFFIX)(&plane, x, y, 1, wanted, seen);
                        for (int k = 0; k < wanted; k++)
                            if (weight[k] > 0.0f)
                                sums[p][k] += weight[k] * ((float)seen[k] + shifts[at]);
                    }
                }
                for (int p = 0; p < planes; p++) {
                    SAMPLE *const target = out[p] + j * out_pitches[p] + i;
                    for (int k = 0; k < wanted; k++) {
                        float mirrored = left_over[k];
                        for (int s = 0; s < MIRROR_SQUARINGS; s++) mirrored *= mirrored;
                        /* Where somebody has the picture, it is preferred to the mirror. */
                        const float others = fmaxf(1.0f - left_over[k], 1e-6f);
                        target[k] = NAMED(stored, SUFFIX)(
                            sums[p][k] * (1.0f - mirrored) / others + mirrored * (float)target[k],
                            peak);
                    }
                }
            }
        }
    }
}

#endif
