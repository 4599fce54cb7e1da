/* Pictures that models take and give: within 0 to 1, and nothing that is no number. */

#include <stdint.h>
#include <string.h>

#include "exported.h"

/* The code of infinity in single precision, and what of a code is not the sign. */
static const uint32_t INFINITE = 0x7f800000u, MAGNITUDE = 0x7fffffffu;

/* Copies a plane, clamped to [0, 1]; pitches are in samples. Returns whether all were finite. */
EXPORTED int clamp(const float *from, int64_t from_pitch, float *to, int64_t to_pitch, int64_t width,
                   int64_t height) {
    uint32_t beyond = 0;
    for (int64_t j = 0; j < height; j++, from += from_pitch, to += to_pitch) {
        for (int64_t i = 0; i < width; i++) {
            uint32_t code;
            memcpy(&code, from + i, sizeof code);
            beyond |= (code & MAGNITUDE) >= INFINITE;
            const float value = from[i];
            to[i] = value > 0.0f ? (value < 1.0f ? value : 1.0f) : 0.0f;
        }
    }
    return !beyond;
}
