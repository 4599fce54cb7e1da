#ifndef TRACK_H
#define TRACK_H

#include "exported.h"
#include "picture.h"

int there_and_back(const picture *from, const picture *to, int levels, const float *points,
                   int64_t count, int turns, float enough, int turns_back, float enough_back,
                   int64_t few, float *there, float *back, uint8_t *lost);

EXPORTED void correlate(const picture *from, const picture *to, const float *points,
                        const float *places, float *alike, int64_t count);

#endif
