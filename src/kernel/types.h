// The types of the portable language, and which become which without a cast: what GLSL converts by itself, which is less than C does.
// No state; any thread.
#ifndef FMI_KERNEL_TYPES_H
#define FMI_KERNEL_TYPES_H

#include <fermata/device.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Also the note on the name of a function that exists once for each of them (fmi_token.note).
typedef enum fmi_type {
    FMI_TYPE_VOID = 0,
    FMI_TYPE_ANY, // an element whose dtype is not chosen yet: fits everywhere
    FMI_TYPE_BOOL,
    FMI_TYPE_INT,
    FMI_TYPE_UINT,
    FMI_TYPE_LONG,
    FMI_TYPE_ULONG,
    FMI_TYPE_FLOAT,
    FMI_TYPE_DOUBLE,
    FMI_TYPE_COUNT,
    FMI_NOTE_OWN = 100, // fmi_token.note: the name is one that the text declares, whatever else it could be
} fmi_type;

// "int"; of FMI_TYPE_ANY "any".
const char *fmi_type_name(fmi_type type);

// With its article: "an int".
const char *fmi_type_phrase(fmi_type type);

// The type by its name; FMI_TYPE_COUNT if it is none. `name` need not end in a zero byte.
fmi_type fmi_type_find(const char *name, size_t length);

// What the body sees of an element of this dtype.
fmi_type fmi_type_of_dtype(fm_dtype dtype);

bool fmi_type_is_integer(fmi_type type); // also FMI_TYPE_ANY
bool fmi_type_is_real(fmi_type type);    // float or double; also FMI_TYPE_ANY
bool fmi_type_is_number(fmi_type type);  // also FMI_TYPE_ANY
bool fmi_type_is_64_bit(fmi_type type);  // long or ulong

// The bytes of a variable.
uint32_t fmi_type_size(fmi_type type);

// True if a value of `from` can stand where one of `to` is wanted.
bool fmi_type_fits(fmi_type from, fmi_type to);

// The type that both become as operands; false if there is none.
bool fmi_type_join(fmi_type a, fmi_type b, fmi_type *out);

#endif
