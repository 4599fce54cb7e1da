/* Planes that are moved: by a homography, or sample by sample. */

#ifndef SAMPLE

#include "resample.h"

#define THIS_FILE "resample.c"
#include "types.h"

#else

/* Samples a plane where a homography maps the samples of a picture of width x height. */
EXPORTED void NAMED(warp, SUFFIX)(const SAMPLE *samples, int64_t pitch, int64_t plane_width,
                                  int64_t plane_height, const double *m, int edge, float black,
                                  float peak, SAMPLE *out, int64_t out_pitch, int64_t width,
                                  int64_t height) {
    const NAMED(plane, SUFFIX) plane = {samples, pitch, plane_width, plane_height, edge, black, peak};
    float x[LANES], y[LANES];
    for (int64_t j = 0; j < height; j++) {
        /* Numerators and denominator of the position of the first sample of a block. */
        double u = m[1] * (double)j + m[2], v = m[4] * (double)j + m[5], w = m[7] * (double)j + m[8];
        double from_x = bounded(u / w), from_y = bounded(v / w);
        int most = LANES;
        for (int64_t i = 0; i < width;) {
            double left, top, end_u, end_v, end_w, to_x, to_y;
            int together;
            for (;; most /= 2) {
                end_u = u + most * m[0], end_v = v + most * m[3], end_w = w + most * m[6];
                to_x = bounded(end_u / end_w), to_y = bounded(end_v / end_w);
                /* Along a line positions change monotonously. */
                left = floor(fmin(from_x, to_x - most));
                top = floor(fmin(from_y, to_y));
                together = fmax(from_x, to_x - most) < left + 2.0 &&
                           fmax(from_y, to_y) < top + 2.0 && w * end_w > 0.0;
                if (together || most == FEWEST) break;
            }
            SAMPLE *const target = out + j * out_pitch + i;
            const int count = width - i < most ? (int)(width - i) : most;
            if (together) {
                /* Less what is large, in double precision. */
                const float u0 = (float)(u - left * w), u1 = (float)(m[0] - w - left * m[6]);
                const float u2 = (float)-m[6], v0 = (float)(v - top * w);
                const float v1 = (float)(m[3] - top * m[6]), w0 = (float)w, w1 = (float)m[6];
                for (int k = 0; k < LANES; k++) {
                    const float t = (float)k, per = 1.0f / (w0 + w1 * t);
                    x[k] = (u0 + (u1 + u2 * t) * t) * per;
                    y[k] = (v0 + v1 * t) * per;
                }
                NAMED(row, SUFFIX)(&plane, (int64_t)left - 1, (int64_t)top - 1, x, y, count, target);
            } else {
                for (int k = 0; k < count; k++) {
                    const double per = 1.0 / (w + m[6] * k);
                    target[k] = NAMED(at, SUFFIX)(&plane, (u + m[0] * k) * per, (v + m[3] * k) * per);
                }
            }
            i += most;
            most = most < LANES ? 2 * most : most;
            u = end_u, v = end_v, w = end_w, from_x = to_x, from_y = to_y;
        }
    }
}

/* Samples a plane at given positions, `step` floats from one to the next. */
EXPORTED void NAMED(gather, SUFFIX)(const SAMPLE *samples, int64_t pitch, int64_t plane_width,
                                    int64_t plane_height, const float *xs, const float *ys,
                                    int64_t step, int edge, float black, float peak, SAMPLE *out,
                                    int64_t out_pitch, int64_t width, int64_t height) {
    const NAMED(plane, SUFFIX) plane = {samples, pitch, plane_width, plane_height, edge, black, peak};
    for (int64_t j = 0; j < height; j++) {
        for (int64_t i = 0; i < width; i += LANES) {
            const int count = width - i < LANES ? (int)(width - i) : LANES;
            const int64_t first = (j * width + i) * step;
            NAMED(some, SUFFIX)(&plane, xs + first, ys + first, step, count, out + j * out_pitch + i);
        }
    }
}

#endif
