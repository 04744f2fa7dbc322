// The value types of the portable language, and which become which without a cast: what GLSL converts by itself, which is less than C does.
// Also the list of target languages, in whose words types, dtypes and functions are known. No state; any thread.
#ifndef FMI_LANGUAGE_VTYPE_H
#define FMI_LANGUAGE_VTYPE_H

#include <stdbool.h>
#include <stddef.h>

// What a tree is printed as.
typedef enum fmi_dialect_kind { FMI_GLSL = 0, FMI_C, FMI_CUDA, FMI_MSL, FMI_DIALECT_COUNT } fmi_dialect_kind;

typedef enum fmi_vtype {
    FMI_VT_VOID = 0,
    FMI_VT_ANY, // an element whose dtype is not chosen yet: fits everywhere
    FMI_VT_BOOL,
    FMI_VT_INT,
    FMI_VT_UINT,
    FMI_VT_LONG,
    FMI_VT_ULONG,
    FMI_VT_FLOAT,
    FMI_VT_DOUBLE,
    FMI_VT_COUNT,
} fmi_vtype;

// "int"; of FMI_VT_ANY "any".
const char *fmi_vtype_name(fmi_vtype type);

// With its article: "an int".
const char *fmi_vtype_phrase(fmi_vtype type);

// Its word in a target language.
const char *fmi_vtype_word(fmi_vtype type, fmi_dialect_kind dialect);

bool fmi_vtype_is_integer(fmi_vtype type); // also FMI_VT_ANY
bool fmi_vtype_is_real(fmi_vtype type);    // float or double, also FMI_VT_ANY
bool fmi_vtype_is_number(fmi_vtype type);  // also FMI_VT_ANY
bool fmi_vtype_is_64_bit(fmi_vtype type);  // an integer of 64 bits

// True if a value of `from` can stand where one of `to` is wanted.
bool fmi_vtype_fits(fmi_vtype from, fmi_vtype to);

// The type that both become as operands; false if there is none.
bool fmi_vtype_join(fmi_vtype a, fmi_vtype b, fmi_vtype *out);

#endif
