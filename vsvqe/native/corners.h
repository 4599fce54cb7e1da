#ifndef CORNERS_H
#define CORNERS_H

#include "exported.h"

#include <stdint.h>

EXPORTED void corners(const uint8_t *pixels, int64_t pitch, int64_t left, int64_t top, int cell,
                      int64_t columns, int64_t rows, int64_t *places, float *strengths);

#endif
