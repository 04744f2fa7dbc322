// The dtypes of elements, one row each in dtype.c: what the language and its printers know about one stands in its row.
// A new dtype is a row there and, where a target has no word for the conversion, a function in prelude.c. No state; any thread.
#ifndef FMI_LANGUAGE_DTYPE_H
#define FMI_LANGUAGE_DTYPE_H

#include "language/vtype.h"

#include <fermata/device.h>

#include <stdint.h>

// A dtype in the words of one target. `@` in a conversion is what is converted; NULL: the element is the value.
typedef struct fmi_dtype_words {
    const char *element; // the type that lies in memory
    const char *load;    // element to value
    const char *store;   // value to element
} fmi_dtype_words;

typedef struct fmi_dtype_row {
    const char *name; // in sentences
    uint32_t size_bytes;
    fmi_vtype vtype;            // what the body sees
    bool is_storage;            // elements are converted at each load and store
    const char *glsl_extension; // NULL: needs none
    fmi_dtype_words words[FMI_DIALECT_COUNT];
} fmi_dtype_row;

// The row of a dtype; of FM_DTYPE_NONE, and of a number that is no dtype, one without a name, of FMI_VT_ANY.
const fmi_dtype_row *fmi_dtype_get(fm_dtype dtype);

// Places one more constant as a C struct does: returns its offset and moves `*at_bytes` behind it.
uint32_t fmi_dtype_place(fm_dtype dtype, uint32_t *at_bytes);

#endif
