/* Includes THIS_FILE once for each type of samples: integers are rounded and clamped. */

#define SAMPLE uint8_t
#define SUFFIX _8
#define INTEGER 1
#include THIS_FILE
#undef SAMPLE
#undef SUFFIX
#undef INTEGER

#define SAMPLE uint16_t
#define SUFFIX _16
#define INTEGER 1
#include THIS_FILE
#undef SAMPLE
#undef SUFFIX
#undef INTEGER

#define SAMPLE float
#define SUFFIX _float
#define INTEGER 0
#include THIS_FILE
#undef SAMPLE
#undef SUFFIX
#undef INTEGER

#undef THIS_FILE
