/* Bicubic resampling of the planes of video, sixteen samples of a row at a time.
 *
 * What moves a picture little takes neighbouring samples from neighbouring places. Sixteen samples
 * of a row then need five rows of twenty samples: the four taps of each, shifted by one where the
 * row of places has stepped to the next sample. So all that is read is contiguous, and each of the
 * 25 taps has a weight, which is zero for nine of them. Where a picture is turned or shrunk so far
 * that this does not hold, samples are taken one by one.
 *
 * The kernel is that of Keys with a = -0.75, at exact positions.
 *
 * This file includes itself once for each type of samples, and so do those that include it.
 */

#ifndef SAMPLE

#include "edges.h"
#include "exported.h"

#define LANES 16
#define TAPS 5
/* Of less than this, one by one is quicker. */
#define FEWEST 4

/* The weights of four samples around a position, f beyond the second. */
static inline void four_weights(float f, float *w) {
    const float a = -0.75f;
    const float far = f + 1.0f, near = 1.0f - f;
    w[0] = ((a * far - 5.0f * a) * far + 8.0f * a) * far - 4.0f * a;
    w[1] = ((a + 2.0f) * f - (a + 3.0f)) * f * f + 1.0f;
    w[2] = ((a + 2.0f) * near - (a + 3.0f)) * near * near + 1.0f;
    w[3] = 1.0f - w[0] - w[1] - w[2];
}

/* The same for a position from 0 to 2 beyond the second of five samples; from 0 to 1 if not
 * `stepping`, and the fifth weight is none then. */
static inline void weights(float x, int stepping, float *w) {
    if (!stepping) {
        four_weights(x, w);
        return;
    }
    const int stepped = x >= 1.0f;
    float four[4];
    four_weights(stepped ? x - 1.0f : x, four);
    w[0] = stepped ? 0.0f : four[0];
    w[1] = stepped ? four[0] : four[1];
    w[2] = stepped ? four[1] : four[2];
    w[3] = stepped ? four[2] : four[3];
    w[4] = stepped ? four[3] : 0.0f;
}

/* Copies positions of samples of a row, less the number of the sample; the last one is repeated. */
static inline void separated(const float *xs, const float *ys, int64_t step, int count,
                             float *restrict x, float *restrict y) {
    if (count == LANES && step == 2) {
        for (int k = 0; k < LANES; k++) {
            x[k] = xs[2 * k] - (float)k;
            y[k] = ys[2 * k];
        }
        return;
    }
    for (int k = 0; k < LANES; k++) {
        const int at = k < count ? k : count - 1;
        x[k] = xs[at * step] - (float)at;
        y[k] = ys[at * step];
    }
}

/* Positions beyond are not handled together. */
#define FARTHEST_TOGETHER 1e6f

/* Returns a whole number that all positions are less than two beyond; none if there is none. */
static inline float together(const float *positions) {
    const float first = floorf(positions[0]);
    int fit = 1, fit_before = 1;
    for (int k = 0; k < LANES; k++) {
        /* What is no number does not. */
        fit &= (positions[k] >= first) & (positions[k] < first + 2.0f);
        fit_before &= (positions[k] >= first - 1.0f) & (positions[k] < first + 1.0f);
    }
    if (!(fabsf(first) < FARTHEST_TOGETHER)) return -INFINITY;
    return fit ? first : fit_before ? first - 1.0f : -INFINITY;
}

#define JOINED(a, b) a##b
#define NAMED(name, type) JOINED(name, type)

#define THIS_FILE "resample.h"
#include "types.h"

#else

#define PLANE NAMED(plane, SUFFIX)
#define STORED NAMED(stored, SUFFIX)
#define AT NAMED(at, SUFFIX)
#define BLENDED NAMED(blended, SUFFIX)
#define ROW NAMED(row, SUFFIX)
#define SOME NAMED(some, SUFFIX)

typedef struct {
    const SAMPLE *samples;
    int64_t pitch, width, height; /* all in samples */
    int edge;
    float black, peak;
} PLANE;

/* In `resample.c`. */
EXPORTED void NAMED(warp, SUFFIX)(const SAMPLE *samples, int64_t pitch, int64_t plane_width,
                                  int64_t plane_height, const double *m, int edge, float black,
                                  float peak, SAMPLE *out, int64_t out_pitch, int64_t width,
                                  int64_t height);

static inline SAMPLE STORED(float value, float peak) {
#if INTEGER
    const float rounded = value + 0.5f;
    return (SAMPLE)(int32_t)(rounded < 0.0f ? 0.0f : rounded > peak ? peak : rounded);
#else
    (void)peak;
    return value;
#endif
}

/* One sample, from anywhere. */
static SAMPLE AT(const PLANE *plane, double x, double y) {
    x = bounded(x);
    y = bounded(y);
    const double left = floor(x), top = floor(y);
    float across[4], down[4], sum = 0.0f;
    four_weights((float)(x - left), across);
    four_weights((float)(y - top), down);
    const int64_t column = (int64_t)left - 1, row = (int64_t)top - 1;
    if (column >= 0 && row >= 0 && column + 4 <= plane->width && row + 4 <= plane->height) {
        const SAMPLE *line = plane->samples + row * plane->pitch + column;
        for (int r = 0; r < 4; r++, line += plane->pitch)
            sum += down[r] * (across[0] * (float)line[0] + across[1] * (float)line[1] +
                              across[2] * (float)line[2] + across[3] * (float)line[3]);
        return STORED(sum, plane->peak);
    }
    int64_t columns[4];
    for (int k = 0; k < 4; k++) columns[k] = mapped(column + k, plane->width, plane->edge);
    for (int r = 0; r < 4; r++) {
        const int64_t at = mapped(row + r, plane->height, plane->edge);
        const SAMPLE *samples = plane->samples + at * plane->pitch;
        float line = 0.0f;
        for (int k = 0; k < 4; k++)
            line += across[k] * (at < 0 || columns[k] < 0 ? plane->black : (float)samples[columns[k]]);
        sum += down[r] * line;
    }
    return STORED(sum, plane->peak);
}

/* Sixteen samples; see ROW. `across` and `down` say whether positions step to the next sample. */
static inline __attribute__((always_inline)) void BLENDED(const SAMPLE *restrict rows, int64_t pitch,
                                                          const float *restrict x,
                                                          const float *restrict y, int across,
                                                          int down, float peak,
                                                          SAMPLE *restrict out) {
    for (int i = 0; i < LANES; i++) {
        float of_x[TAPS], of_y[TAPS], sum = 0.0f;
        weights(x[i], across, of_x);
        weights(y[i], down, of_y);
#pragma clang loop unroll(full)
        for (int r = 0; r < TAPS - !down; r++) {
            const SAMPLE *row = rows + r * pitch + i;
            float line = of_x[0] * (float)row[0];
            line += of_x[1] * (float)row[1];
            line += of_x[2] * (float)row[2];
            line += of_x[3] * (float)row[3];
            if (across) line += of_x[4] * (float)row[4];
            sum += of_y[r] * line;
        }
        out[i] = STORED(sum, peak);
    }
}

/* Sixteen samples of which `count` are wanted, at positions that are from 0 to 2 beyond (lane, 0) of
 * the second of five rows and columns; (left, top) is the first of those, anywhere. */
static void ROW(const PLANE *plane, int64_t left, int64_t top, const float *x, const float *y,
                int count, SAMPLE *out) {
    int across = 0, down = 0;
    for (int i = 0; i < LANES; i++) {
        across |= x[i] >= 1.0f;
        down |= y[i] >= 1.0f;
    }
    const int inside = left >= 0 && top >= 0 && left + LANES + TAPS - 1 <= plane->width &&
                       top + TAPS <= plane->height;
    SAMPLE patch[TAPS * (LANES + TAPS - 1)], spare[LANES];
    const SAMPLE *rows = plane->samples + top * plane->pitch + left;
    int64_t pitch = plane->pitch;
    if (!inside) {
        int64_t columns[LANES + TAPS - 1];
        pitch = LANES + TAPS - 1;
        for (int k = 0; k < pitch; k++) columns[k] = mapped(left + k, plane->width, plane->edge);
        for (int r = 0; r < TAPS; r++) {
            const int64_t row = mapped(top + r, plane->height, plane->edge);
            const SAMPLE *samples = plane->samples + row * plane->pitch;
            for (int k = 0; k < pitch; k++)
                patch[r * pitch + k] =
                    row < 0 || columns[k] < 0 ? (SAMPLE)plane->black : samples[columns[k]];
        }
        rows = patch;
    }
    SAMPLE *const target = count == LANES ? out : spare;
    const float peak = plane->peak;
    if (!across && !down) BLENDED(rows, pitch, x, y, 0, 0, peak, target);
    else if (!down) BLENDED(rows, pitch, x, y, 1, 0, peak, target);
    else if (!across) BLENDED(rows, pitch, x, y, 0, 1, peak, target);
    else BLENDED(rows, pitch, x, y, 1, 1, peak, target);
    for (int i = 0; target == spare && i < count; i++) out[i] = spare[i];
}

/* Up to sixteen samples, from anywhere: positions `step` floats from one to the next. */
static void SOME(const PLANE *plane, const float *xs, const float *ys, int64_t step, int count,
                 SAMPLE *out) {
    float x[LANES], y[LANES];
    separated(xs, ys, step, count, x, y);
    const float left = together(x), top = together(y);
    if (left > -FARTHEST_TOGETHER && top > -FARTHEST_TOGETHER) {
        for (int k = 0; k < LANES; k++) {
            x[k] -= left;
            y[k] -= top;
        }
        ROW(plane, (int64_t)left - 1, (int64_t)top - 1, x, y, count, out);
    } else if (count > FEWEST) {
        const int half = count / 2;
        SOME(plane, xs, ys, step, half, out);
        SOME(plane, xs + half * step, ys + half * step, step, count - half, out + half);
    } else {
        for (int k = 0; k < count; k++) out[k] = AT(plane, xs[k * step], ys[k * step]);
    }
}

#undef PLANE
#undef STORED
#undef AT
#undef BLENDED
#undef ROW
#undef SOME

#endif
