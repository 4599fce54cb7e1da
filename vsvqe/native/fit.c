/* Motions that fit pairs of points best: weighted least squares, reweighted by the distance. */

#include "exported.h"
#include "select.h"

#include <math.h>
#include <string.h>

#define MOST 8

typedef enum { NOTHING, TRANSLATION, SIMILARITY, AFFINE, HOMOGRAPHY } model;
static const int PARAMETERS[] = {0, 2, 4, 6, 8};

/* Pairs of points, (x, y) one after the other. */
typedef struct {
    const double *before, *after;
    int64_t count;
} pairs;

/* Weighted sums over the pairs: of what is said of the place before, times 1, x and y after, and the
 * sum of both squared. */
enum { ONE, X, Y, XX, XY, YY, TERMS };
enum { PLAIN, RIGHT, DOWN, SQUARED, FACTORS };
typedef double sums[FACTORS][TERMS];

static void summed(const pairs *of, const double *weights, sums total) {
    memset(total, 0, sizeof(sums));
    for (int64_t n = 0; n < of->count; n++) {
        const double x = of->before[2 * n], y = of->before[2 * n + 1];
        const double u = of->after[2 * n], v = of->after[2 * n + 1], w = weights[n];
        const double terms[TERMS] = {w, w * x, w * y, w * x * x, w * x * y, w * y * y};
        const double factors[FACTORS] = {1.0, u, v, u * u + v * v};
        for (int f = 0; f < FACTORS; f++)
            for (int t = 0; t < TERMS; t++) total[f][t] += factors[f] * terms[t];
    }
}

/* Solves equations of `size` unknowns for `sides` right sides, in place: Gauss, with pivots. */
static void solved(double *matrix, double *right, int size, int sides) {
    double trace = 0.0;
    for (int i = 0; i < size; i++) trace += matrix[i * size + i];
    /* Far below what the points say, and enough where they say nothing. */
    for (int i = 0; i < size; i++) matrix[i * size + i] += 1e-12 * trace + 1e-300;
    for (int k = 0; k < size; k++) {
        int best = k;
        for (int i = k + 1; i < size; i++)
            if (fabs(matrix[i * size + k]) > fabs(matrix[best * size + k])) best = i;
        for (int j = 0; j < size && best != k; j++) {
            const double other = matrix[k * size + j];
            matrix[k * size + j] = matrix[best * size + j], matrix[best * size + j] = other;
        }
        for (int s = 0; s < sides && best != k; s++) {
            const double other = right[k * sides + s];
            right[k * sides + s] = right[best * sides + s], right[best * sides + s] = other;
        }
        for (int i = k + 1; i < size; i++) {
            const double part = matrix[i * size + k] / matrix[k * size + k];
            for (int j = k; j < size; j++) matrix[i * size + j] -= part * matrix[k * size + j];
            for (int s = 0; s < sides; s++) right[i * sides + s] -= part * right[k * sides + s];
        }
    }
    for (int k = size - 1; k >= 0; k--) {
        for (int s = 0; s < sides; s++) {
            double value = right[k * sides + s];
            for (int j = k + 1; j < size; j++) value -= matrix[k * size + j] * right[j * sides + s];
            right[k * sides + s] = value / matrix[k * size + k];
        }
    }
}

/* Umeyama's closed form, in the plane: IEEE PAMI 13(4), 1991. */
static void similarity(sums of, double *matrix) {
    const double all = of[PLAIN][ONE];
    const double x = of[PLAIN][X] / all, y = of[PLAIN][Y] / all;
    const double u = of[RIGHT][ONE] / all, v = of[DOWN][ONE] / all;
    const double power = of[PLAIN][XX] + of[PLAIN][YY] - all * (x * x + y * y);
    const double cosine = (of[RIGHT][X] + of[DOWN][Y] - all * (x * u + y * v)) / power;
    const double sine = (of[DOWN][X] - of[RIGHT][Y] - all * (x * v - y * u)) / power;
    matrix[0] = cosine, matrix[1] = -sine, matrix[2] = u - (cosine * x - sine * y);
    matrix[3] = sine, matrix[4] = cosine, matrix[5] = v - (sine * x + cosine * y);
}

static const int LINE[3] = {X, Y, ONE};
static const int PRODUCTS[3][3] = {{XX, XY, X}, {XY, YY, Y}, {X, Y, ONE}};

static void affine(sums of, double *matrix) {
    double normal[9], right[6];
    for (int i = 0; i < 3; i++) {
        for (int j = 0; j < 3; j++) normal[3 * i + j] = of[PLAIN][PRODUCTS[i][j]];
        right[2 * i] = of[RIGHT][LINE[i]], right[2 * i + 1] = of[DOWN][LINE[i]];
    }
    solved(normal, right, 3, 2);
    for (int i = 0; i < 3; i++) matrix[i] = right[2 * i], matrix[3 + i] = right[2 * i + 1];
}

/* The direct linear transform with its last element fixed: near the identity it is safe. */
static void homography(sums of, double *matrix) {
    double normal[MOST * MOST] = {0}, right[MOST];
    for (int i = 0; i < 3; i++) {
        for (int j = 0; j < 3; j++)
            normal[MOST * i + j] = normal[MOST * (i + 3) + j + 3] = of[PLAIN][PRODUCTS[i][j]];
        for (int j = 0; j < 2; j++) {
            const int both = PRODUCTS[i][j];
            normal[MOST * i + j + 6] = normal[MOST * (j + 6) + i] = -of[RIGHT][both];
            normal[MOST * (i + 3) + j + 6] = normal[MOST * (j + 6) + i + 3] = -of[DOWN][both];
        }
        right[i] = of[RIGHT][LINE[i]], right[i + 3] = of[DOWN][LINE[i]];
    }
    for (int i = 0; i < 2; i++) {
        for (int j = 0; j < 2; j++) normal[MOST * (i + 6) + j + 6] = of[SQUARED][PRODUCTS[i][j]];
        right[i + 6] = -of[SQUARED][LINE[i]];
    }
    solved(normal, right, MOST, 1);
    memcpy(matrix, right, sizeof right);
}

static void fitted(model kind, const pairs *to, const double *weights, double *matrix) {
    static const double identity[9] = {1, 0, 0, 0, 1, 0, 0, 0, 1};
    sums of;
    memcpy(matrix, identity, sizeof identity);
    if (kind == NOTHING) return;
    summed(to, weights, of);
    if (kind == TRANSLATION) {
        matrix[2] = (of[RIGHT][ONE] - of[PLAIN][X]) / of[PLAIN][ONE];
        matrix[5] = (of[DOWN][ONE] - of[PLAIN][Y]) / of[PLAIN][ONE];
    } else if (kind == SIMILARITY) {
        similarity(of, matrix);
    } else if (kind == AFFINE) {
        affine(of, matrix);
    } else {
        homography(of, matrix);
    }
}

/* Returns the square of how far from a point of the second picture a motion puts it. */
static double off(const double *m, const pairs *of, int64_t n) {
    const double x = of->before[2 * n], y = of->before[2 * n + 1];
    const double per = 1.0 / (m[6] * x + m[7] * y + m[8]);
    const double u = (m[0] * x + m[1] * y + m[2]) * per - of->after[2 * n];
    const double v = (m[3] * x + m[4] * y + m[5]) * per - of->after[2 * n + 1];
    return u * u + v * v;
}

/* Fits a motion; returns the weighted sum of squares that it leaves. */
static double fit(int kind, const double *before, const double *after, int64_t count,
                  const double *weights, double *matrix) {
    const pairs to = {before, after, count};
    double error = 0.0;
    fitted((model)kind, &to, weights, matrix);
    for (int64_t n = 0; n < count; n++) error += weights[n] * off(matrix, &to, n);
    return error;
}

/* Fits a motion, and again with less weight on what is far from it.
 *
 * weights: of the pairs. used: weights to begin with; takes the last ones. half: how many robust
 * deviations off weigh half. beyond: how many times that far off counts nothing. scratch: `count`
 * numbers. Returns what `fit` does. */
static double fit_robustly(int kind, const double *before, const double *after, int64_t count,
                           const double *weights, double *used, int passes, double half,
                           double beyond, double *scratch, double *matrix) {
    const pairs to = {before, after, count};
    for (int pass = 0; pass < passes; pass++) {
        fitted((model)kind, &to, used, matrix);
        for (int64_t n = 0; n < count; n++) scratch[n] = used[n] = off(matrix, &to, n);
        /* From the median of the distance to the deviation, if they are as chance has it. */
        const double scale = half * 1.4826 * sqrt(selected(scratch, count, count / 2)) + 1e-9;
        for (int64_t n = 0; n < count; n++) {
            const double squared = used[n] / (scale * scale);
            used[n] = squared > beyond * beyond ? 0.0 : weights[n] / (1.0 + squared);
        }
    }
    return fit(kind, before, after, count, used, matrix);
}

/* Finds the simplest motion that is as good as the most complex one, by the F test.
 *
 * kind: the most complex one. simpler: which others there are, in order, `others` of them. begin: as
 * `used` of `fit_robustly`; takes the last weights. independent: how many pairs one counts for.
 * level: of the test. Returns which motion it is. */
EXPORTED int simplest(int kind, const int *simpler, int others, const double *before,
                      const double *after, int64_t count, const double *weights, double *begin,
                      int passes, double half, double beyond, double independent, double level,
                      double *scratch, double *matrix) {
    double best[9];
    const double error = fit_robustly(kind, before, after, count, weights, begin, passes, half,
                                      beyond, scratch, best);
    const double freedom = 2.0 * independent * (double)count - PARAMETERS[kind];
    for (int i = 0; i < others; i++) {
        const double gain = fit(simpler[i], before, after, count, begin, matrix) - error;
        const int fewer = PARAMETERS[kind] - PARAMETERS[simpler[i]];
        if (!(gain * freedom > level * fewer * error)) return simpler[i];
    }
    memcpy(matrix, best, sizeof best);
    return kind;
}

/* Finds the deviations of points across and along the line that fits them best. */
EXPORTED void spread(const double *points, int64_t count, double *deviations) {
    double x = 0.0, y = 0.0, xx = 0.0, xy = 0.0, yy = 0.0;
    for (int64_t n = 0; n < count; n++) x += points[2 * n], y += points[2 * n + 1];
    x /= (double)count, y /= (double)count;
    for (int64_t n = 0; n < count; n++) {
        const double right = points[2 * n] - x, down = points[2 * n + 1] - y;
        xx += right * right, xy += right * down, yy += down * down;
    }
    const double freedom = (double)(count - 1);
    const double middle = (xx + yy) / 2.0, reach = hypot((xx - yy) / 2.0, xy);
    deviations[0] = sqrt(fmax(middle - reach, 0.0) / freedom);
    deviations[1] = sqrt((middle + reach) / freedom);
}
