/* What lies beyond the edges of a plane. */

#ifndef EDGES_H
#define EDGES_H

#include <math.h>
#include <stdint.h>

enum edge { MIRROR, REPLICATE, WRAP, BLACK };

/* Positions beyond are as good as these; they fit an integer. */
static const double FARTHEST = 1e9;

/* Maps a position to a sample of a line of n, or to -1 where there is black. */
static inline int64_t mapped(int64_t i, int64_t n, int edge) {
    if ((uint64_t)i < (uint64_t)n) return i;
    if (edge == BLACK) return -1;
    if (edge == REPLICATE) return i < 0 ? 0 : n - 1;
    if (edge == WRAP) return (i % n + n) % n;
    if (i < 0) i = -1 - i;
    i %= 2 * n;
    return i < n ? i : 2 * n - 1 - i;
}

static inline double bounded(double position) {
    if (!(position > -FARTHEST)) return -FARTHEST; /* and what is no number */
    return position < FARTHEST ? position : FARTHEST;
}

#endif
