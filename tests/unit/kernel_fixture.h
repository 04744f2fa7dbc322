// What the tests of generated sources share: a generator's input from an fm_kernel_info.
// Included by the test programs alone.
#ifndef FMI_TESTS_KERNEL_FIXTURE_H
#define FMI_TESTS_KERNEL_FIXTURE_H

#include "kernel/generate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

// Makes a generator's input from an info; `release` frees it with the text.
static inline fmi_generated prepare(const fm_kernel_info *info, uint64_t dtypes)
{
    fmi_generated generated = {.source = fmi_kernel_source_create(info),
                               .param_count = info->param_count,
                               .dtypes = dtypes,
                               .max_push_constants_bytes = 128};
    assert_non_null(generated.source);
    return generated;
}

static inline void release(fmi_generated *generated)
{
    fmi_kernel_source_destroy((fmi_kernel_source *)generated->source);
    fmi_text_free(&generated->text);
}

// A cast that makes a float of the body storable in an element of this dtype.
static inline const char *get_cast(fm_dtype dtype)
{
    return dtype == FM_DTYPE_I64                           ? "long"
           : dtype == FM_DTYPE_U64                         ? "ulong"
           : dtype == FM_DTYPE_F64                         ? "double"
           : dtype == FM_DTYPE_I32 || dtype == FM_DTYPE_I8 ? "int"
           : dtype == FM_DTYPE_U32 || dtype == FM_DTYPE_U8 ? "uint"
                                                           : "float";
}

#endif
