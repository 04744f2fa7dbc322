// Elements of every dtype as doubles: what a store makes of a number, and what a load gives. Written from the formats' definitions, not
// taken from the library. Used by the groups that compare values of several dtypes.
#ifndef FERMATA_TESTS_CONFORMANCE_NUMBERS_H
#define FERMATA_TESTS_CONFORMANCE_NUMBERS_H

#include "support.h"

enum { NUMBERS_FLOATS = 3 };

extern const fm_dtype numbers_floats[NUMBERS_FLOATS]; // f32, f16, bf16

uint32_t numbers_size(fm_dtype dtype);
const char *numbers_name(fm_dtype dtype);

// Stores `value`, which must fit an integer dtype, rounded to nearest even for a float dtype.
void numbers_store(fm_dtype dtype, void *element, double value);
double numbers_load(fm_dtype dtype, const void *element);

// `value` as the dtype holds it.
double numbers_round(fm_dtype dtype, double value);

// The distance from one number of a float dtype to the next, near `value`; 0 for f32, whose rounding callers allow for themselves.
double numbers_step(fm_dtype dtype, double value);

#endif
