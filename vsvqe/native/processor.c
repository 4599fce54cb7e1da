/* Whether this processor, and its system, have the instructions that the library was compiled for. */

#include "exported.h"

#ifdef __AVX2__
#include <cpuid.h>

static unsigned saved_by_system(void) {
    unsigned low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return low;
}
#endif

EXPORTED int runs_here(void) {
#ifdef __AVX2__
    const unsigned fma = 1u << 12, saves = 1u << 27, avx2 = 1u << 5;
    unsigned a, b, c, d;
    if (!__get_cpuid(1, &a, &b, &c, &d) || (c & fma) == 0 || (c & saves) == 0) return 0;
    unsigned state = 0x6; /* vector registers of 256 bits */
    unsigned needed = avx2;
#ifdef __AVX512F__
    state = 0xe6;
    needed |= 1u << 16 | 1u << 17 | 1u << 30 | 1u << 31; /* F, DQ, BW, VL */
#endif
    if ((saved_by_system() & state) != state) return 0;
    return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & needed) == needed;
#else
    return 1;
#endif
}
