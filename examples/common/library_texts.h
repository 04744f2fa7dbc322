// How the library's files describe their kernels to library.c. Private to these files.
#ifndef EXAMPLES_LIBRARY_TEXTS_H
#define EXAMPLES_LIBRARY_TEXTS_H

#include "library.h"

enum { LIBRARY_MOST_CONSTANTS = 6, LIBRARY_MOST_SHARED = 2, LIBRARY_MOST_SPECIALS = 6 };

// One kernel. Lists end with a NULL name.
typedef struct library_text {
    library_id id;
    const char *name;
    const char *body;
    fm_kernel_param params[FM_MAX_BINDINGS]; // in the order of the bindings
    fm_kernel_constant constants[LIBRARY_MOST_CONSTANTS];
    fm_kernel_shared shared[LIBRARY_MOST_SHARED];
    fm_kernel_special specials[LIBRARY_MOST_SPECIALS];
    uint32_t group_size[3];
    uint32_t covers[2]; // units of work in a workgroup, along x and y
} library_text;

extern const library_text library_vector_texts[];
extern const uint32_t library_vector_count;
extern const library_text library_row_texts[];
extern const uint32_t library_row_count;
extern const library_text library_matrix_texts[];
extern const uint32_t library_matrix_count;
extern const library_text library_quant_texts[];
extern const uint32_t library_quant_count;
extern const library_text library_attention_texts[];
extern const uint32_t library_attention_count;

#define LIBRARY_LENGTH(array) (sizeof(array) / sizeof(array)[0])

// Bindings: their dtype is open, or float.
#define READS_ANY(name)                                                                                                \
    {                                                                                                                  \
        name, FM_DTYPE_NONE, FM_ACCESS_READ                                                                            \
    }
#define WRITES_ANY(name)                                                                                               \
    {                                                                                                                  \
        name, FM_DTYPE_NONE, FM_ACCESS_WRITE                                                                           \
    }
#define UPDATES_ANY(name)                                                                                              \
    {                                                                                                                  \
        name, FM_DTYPE_NONE, FM_ACCESS_READ_WRITE                                                                      \
    }
#define READS(name)                                                                                                    \
    {                                                                                                                  \
        name, FM_DTYPE_F32, FM_ACCESS_READ                                                                             \
    }
#define WRITES(name)                                                                                                   \
    {                                                                                                                  \
        name, FM_DTYPE_F32, FM_ACCESS_WRITE                                                                            \
    }
// Constants.
#define UINT(name)                                                                                                     \
    {                                                                                                                  \
        name, FM_DTYPE_U32                                                                                             \
    }
#define FLOAT(name)                                                                                                    \
    {                                                                                                                  \
        name, FM_DTYPE_F32                                                                                             \
    }

#endif
