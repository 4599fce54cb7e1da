/* Frames that are corrected: all planes are moved, and other frames of the scene are blended in where
 * they have no picture of their own. */

#ifndef SAMPLE

#include "resample.h"
#include "select.h"

#define MOST_PLANES 3
#define MOST_NEIGHBOURS 8
/* Where all others together weigh a tenth and less, the mirrored picture fades in: the share that
 * they leave, to the power of 16. */
#define MIRROR_SQUARINGS 4

/* Planes of a frame that lie alike. The structure of this name in `correct.py`. */
typedef struct {
    int64_t width, height;
    /* Maps their samples to centred units, and back. */
    double units[9], back[9];
    /* Samples all over them, (x, y), where frames are compared. */
    const double *points;
    int64_t point_count;
    /* Pixels of the luma between samples, and over how many of those frames are blended. */
    float step_x, step_y, feather;
    /* How many of the frame's planes they are, and which. */
    int32_t count, which[MOST_PLANES];
} alike;

/* Multiplies 3 x 3 matrices. */
static void product(const double *a, const double *b, double *out) {
    for (int row = 0; row < 3; row++)
        for (int column = 0; column < 3; column++)
            out[3 * row + column] = a[3 * row] * b[column] + a[3 * row + 1] * b[3 + column] +
                                    a[3 * row + 2] * b[6 + column];
}

/* Finds the homography of planes' samples for a correction in centred units. */
static void of_samples(const alike *of, const double *correction, double *out) {
    double half[9];
    product(of->back, correction, half);
    product(half, of->units, out);
    const double last = out[8];
    for (int k = 0; k < 9; k++) out[k] /= last;
}

/* Finds the largest range of columns (axis 0) or rows (1) that is `feather` samples inside at both
 * ends; on a side where nothing is missing, it goes up to the edge. All is missing where there is
 * none: the range is empty then, and at the end.
 *
 * Along a line of the output positions change monotonously: its ends are the extremes. The position
 * of sample t of an edge is (p t + q) / (r t + s). */
static void inner(const double *m, int axis, int64_t size, int64_t across, double feather,
                  int64_t *first, int64_t *end) {
    const double last = (double)(size - 1), far = last - feather;
    const double p = m[3 * axis + axis], r = m[6 + axis];
    double begin = 0.0, until = last;
    int whole_begin = 1, whole_end = 1;
    *first = *end = size;
    for (int edge = 0; edge < 2; edge++) {
        const double at = edge ? (double)(across - 1) : 0.0;
        const double q = m[3 * axis + 2] + m[3 * axis + 1 - axis] * at;
        const double s = m[8] + m[7 - axis] * at;
        const double near_rate = p - feather * r, far_rate = p - far * r;
        if (!(near_rate > 0.0 && far_rate > 0.0 && s > 0.0 && r * last + s > 0.0)) return;
        begin = fmax(begin, ceil((feather * s - q) / near_rate));
        until = fmin(until, floor((far * s - q) / far_rate));
        whole_begin &= q >= -0.5 * s;
        whole_end &= p * last + q <= (last + 0.5) * (r * last + s);
    }
    if (!(begin <= until)) return;
    *first = whole_begin ? 0 : (int64_t)begin;
    *end = whole_end ? size : (int64_t)until + 1;
}

/* Finds the regions at those sides where something may be missing: left, top, right and bottom of
 * up to four. Returns how many. */
static int rim(const alike *of, const double *matrix, int64_t *regions) {
    int64_t first, last, top, bottom;
    inner(matrix, 0, of->width, of->height, of->feather / of->step_x, &first, &last);
    inner(matrix, 1, of->height, of->width, of->feather / of->step_y, &top, &bottom);
    const int64_t sides[4][4] = {{0, 0, of->width, top},
                                 {0, bottom, of->width, of->height},
                                 {0, top, first, bottom},
                                 {last, top, of->width, bottom}};
    int count = 0;
    for (int side = 0; side < 4; side++) {
        if (sides[side][0] >= sides[side][2] || sides[side][1] >= sides[side][3]) continue;
        for (int k = 0; k < 4; k++) regions[4 * count + k] = sides[side][k];
        count++;
    }
    return count;
}

/* Maps sixteen samples from (i, j) on by a homography; returns 0 outside of the frame, 1 from the
 * feather inside on. */
static void placed(const double *m, const alike *of, int64_t i, int64_t j, float *x, float *y,
                   float *weight) {
    const float width = (float)of->width, height = (float)of->height;
    const double u = m[0] * (double)i + m[1] * (double)j + m[2];
    const double v = m[3] * (double)i + m[4] * (double)j + m[5];
    const double w = m[6] * (double)i + m[7] * (double)j + m[8];
    for (int k = 0; k < LANES; k++) {
        const double per = 1.0 / (w + m[6] * k);
        x[k] = (float)((u + m[0] * k) * per);
        y[k] = (float)((v + m[3] * k) * per);
        const float right = width - 0.5f - x[k], below = height - 0.5f - y[k];
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

#define THIS_FILE "correct.c"
#include "types.h"

#else

/* Where a plane of a frame lies, and how many samples a row is from the next. */
typedef struct {
    SAMPLE *samples;
    int64_t pitch;
} NAMED(lying, SUFFIX);

/* Finds what to add to the planes of a neighbour: the median differences to those of the frame.
 *
 * The median is the upper one; without common points, 0. matrices: of the frame and of the
 * neighbour. scratch: as many numbers as there are points. */
static void NAMED(brightness, SUFFIX)(const alike *of, const NAMED(lying, SUFFIX) *own,
                                      const double *own_matrix, const NAMED(lying, SUFFIX) *lent,
                                      const double *matrix, double *scratch, float *shifts) {
    const double *const end = of->points + 2 * of->point_count;
    for (int p = 0; p < of->count; p++) {
        const NAMED(lying, SUFFIX) from = own[of->which[p]], other = lent[of->which[p]];
        int64_t found = 0;
        for (const double *point = of->points; point < end; point += 2) {
            const int64_t here =
                nearest(own_matrix, point[0], point[1], of->width, of->height, from.pitch);
            const int64_t there =
                nearest(matrix, point[0], point[1], of->width, of->height, other.pitch);
            if (here >= 0 && there >= 0)
                scratch[found++] = (float)from.samples[here] - (float)other.samples[there];
        }
        shifts[p] = found ? (float)selected(scratch, found, found / 2) : 0.0f;
    }
}

/* Blends neighbours into regions of planes that hold the corrected frame, mirrored.
 *
 * lent: P planes of each neighbour. matrices: of the frame and of the neighbours. shifts: MOST_PLANES
 * for each neighbour, what is added to it. regions: from `rim`. */
static void NAMED(fill, SUFFIX)(const alike *of, int planes, const NAMED(lying, SUFFIX) *out,
                                const NAMED(lying, SUFFIX) *lent, const double *matrices,
                                int neighbours, const float *shifts, float peak,
                                const int64_t *regions, int count) {
    float x[LANES], y[LANES], weight[LANES], left_over[LANES], sums[MOST_PLANES][LANES];
    SAMPLE seen[LANES];
    for (const int64_t *region = regions; region < regions + 4 * count; region += 4) {
        for (int64_t j = region[1]; j < region[3]; j++) {
            for (int64_t i = region[0]; i < region[2]; i += LANES) {
                const int wanted = region[2] - i < LANES ? (int)(region[2] - i) : LANES;
                placed(matrices, of, i, j, x, y, weight);
                for (int k = 0; k < LANES; k++) left_over[k] = k < wanted ? 1.0f - weight[k] : 0.0f;
                if (!any(left_over)) continue;
                for (int p = 0; p < of->count; p++) {
                    const NAMED(lying, SUFFIX) from = out[of->which[p]];
                    const SAMPLE *const own = from.samples + j * from.pitch + i;
                    for (int k = 0; k < wanted; k++) sums[p][k] = weight[k] * (float)own[k];
                }
                for (int n = 0; n < neighbours && any(left_over); n++) {
                    placed(matrices + 9 * (n + 1), of, i, j, x, y, weight);
                    for (int k = 0; k < LANES; k++) {
                        weight[k] *= left_over[k];
                        left_over[k] -= weight[k];
                    }
                    if (!any(weight)) continue;
                    for (int p = 0; p < of->count; p++) {
                        const float shift = shifts[MOST_PLANES * n + p];
                        const NAMED(lying, SUFFIX) from = lent[n * planes + of->which[p]];
                        const NAMED(plane, SUFFIX) plane = {from.samples, from.pitch, of->width,
                                                            of->height, MIRROR, 0.0f, peak};
                        NAMED(some, SUFFIX)(&plane, x, y, 1, wanted, seen);
                        for (int k = 0; k < wanted; k++)
                            if (weight[k] > 0.0f) sums[p][k] += weight[k] * ((float)seen[k] + shift);
                    }
                }
                for (int p = 0; p < of->count; p++) {
                    const NAMED(lying, SUFFIX) to = out[of->which[p]];
                    SAMPLE *const target = to.samples + j * to.pitch + i;
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

/* Corrects a frame.
 *
 * groups: all its planes, those together that lie alike. out: takes P planes. frames: P planes of the
 * frame, and of each of its neighbours; without any there is what `edge` says where it ends.
 * corrections: of the frame and of the neighbours, in centred units. blacks: of each plane. scratch:
 * as many numbers as any group has points. Returns 0, or -1 for too many neighbours. */
EXPORTED int NAMED(correct, SUFFIX)(const alike *groups, int group_count, int planes,
                                    const NAMED(lying, SUFFIX) *out,
                                    const NAMED(lying, SUFFIX) *frames, const double *corrections,
                                    int neighbours, int edge, const float *blacks, float peak,
                                    double *scratch) {
    if (neighbours > MOST_NEIGHBOURS) return -1;
    const NAMED(lying, SUFFIX) *const lent = frames + planes;
    for (const alike *of = groups; of < groups + group_count; of++) {
        double matrices[9 * (1 + MOST_NEIGHBOURS)];
        float shifts[MOST_PLANES * MOST_NEIGHBOURS];
        int64_t regions[16];
        for (int n = 0; n <= neighbours; n++) of_samples(of, corrections + 9 * n, matrices + 9 * n);
        for (int p = 0; p < of->count; p++) {
            const NAMED(lying, SUFFIX) from = frames[of->which[p]], to = out[of->which[p]];
            NAMED(warp, SUFFIX)(from.samples, from.pitch, of->width, of->height, matrices, edge,
                                blacks[of->which[p]], peak, to.samples, to.pitch, of->width,
                                of->height);
        }
        const int sides = neighbours ? rim(of, matrices, regions) : 0;
        for (int n = 0; sides && n < neighbours; n++)
            NAMED(brightness, SUFFIX)(of, frames, matrices, lent + n * planes,
                                      matrices + 9 * (n + 1), scratch, shifts + MOST_PLANES * n);
        NAMED(fill, SUFFIX)(of, planes, out, lent, matrices, neighbours, shifts, peak, regions,
                            sides);
    }
    return 0;
}

#endif
