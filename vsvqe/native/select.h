#ifndef SELECT_H
#define SELECT_H

#include <stdint.h>

/* Returns the number that `wanted` others precede in ascending order; it rearranges them.
 *
 * Hoare, "Algorithm 65: Find", Communications of the ACM 4(7), 1961. */
static double selected(double *numbers, int64_t count, int64_t wanted) {
    int64_t low = 0, high = count - 1;
    while (low < high) {
        const double pivot = numbers[low + (high - low) / 2];
        int64_t i = low, j = high;
        while (i <= j) {
            while (numbers[i] < pivot) i++;
            while (numbers[j] > pivot) j--;
            if (i <= j) {
                const double other = numbers[i];
                numbers[i++] = numbers[j];
                numbers[j--] = other;
            }
        }
        if (wanted <= j)
            high = j;
        else if (wanted >= i)
            low = i;
        else
            break;
    }
    return numbers[wanted];
}

#endif
