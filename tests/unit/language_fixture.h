// What the tests of the language room share: a kernel's names, and reading a text with them.
// Included by the test programs alone.
#ifndef FMI_TESTS_LANGUAGE_FIXTURE_H
#define FMI_TESTS_LANGUAGE_FIXTURE_H

#include "language/print.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static const fmi_declared names[] = {
    {"x", FMI_DECLARED_BUFFER, FM_DTYPE_F32, FM_ACCESS_READ_WRITE, 0, 0},
    {"h", FMI_DECLARED_BUFFER, FM_DTYPE_F16, FM_ACCESS_READ_WRITE, 0, 0},
    {"b", FMI_DECLARED_BUFFER, FM_DTYPE_I8, FM_ACCESS_READ_WRITE, 0, 0},
    {"u", FMI_DECLARED_BUFFER, FM_DTYPE_U8, FM_ACCESS_READ_WRITE, 0, 0},
    {"k", FMI_DECLARED_BUFFER, FM_DTYPE_I32, FM_ACCESS_READ_WRITE, 0, 0},
    {"bf", FMI_DECLARED_BUFFER, FM_DTYPE_BF16, FM_ACCESS_READ_WRITE, 0, 0},
    {"l", FMI_DECLARED_BUFFER, FM_DTYPE_I64, FM_ACCESS_READ_WRITE, 0, 0},
    {"r", FMI_DECLARED_BUFFER, FM_DTYPE_F32, FM_ACCESS_READ, 0, 0},
    {"w", FMI_DECLARED_BUFFER, FM_DTYPE_F32, FM_ACCESS_WRITE, 0, 0},
    {"hr", FMI_DECLARED_BUFFER, FM_DTYPE_F16, FM_ACCESS_READ, 0, 0},
    {"hw", FMI_DECLARED_BUFFER, FM_DTYPE_F16, FM_ACCESS_WRITE, 0, 0},
    {"a", FMI_DECLARED_CONSTANT, FM_DTYPE_F32, 0, 0, 0},
    {"n", FMI_DECLARED_CONSTANT, FM_DTYPE_U32, 0, 0, 0},
    {"s", FMI_DECLARED_SHARED, FM_DTYPE_U32, 0, 0, 8},
    {"FIVE", FMI_DECLARED_SPECIAL, FM_DTYPE_U32, 0, 5, 0},
    {"LESS", FMI_DECLARED_SPECIAL, FM_DTYPE_I32, 0, -3, 0},
    {"HALF", FMI_DECLARED_SPECIAL, FM_DTYPE_F32, 0, 0.5, 0},
};

// A text with these names, or with others.
static inline fmi_kernel_text make_text(const char *header, const char *body)
{
    return (fmi_kernel_text){.header = header,
                             .header_length = header ? strlen(header) : 0,
                             .body = body,
                             .body_length = strlen(body),
                             .names = names,
                             .name_count = COUNT(names),
                             .group_size = {64, 2, 1}};
}

// Reads what must be right. `text` stays in use as long as the tree is.
static inline void read_tree(const fmi_kernel_text *text, fmi_tree *out)
{
    if (fmi_tree_read(text, out) != FM_OK) {
        fail_msg("'%s': %s", text->body, fm_last_error());
    }
}

static inline fm_status check_text(const char *header, const char *body)
{
    fmi_kernel_text text = make_text(header, body);
    fmi_tree tree;
    fm_status status = fmi_tree_read(&text, &tree);
    if (status == FM_OK) {
        fmi_tree_free(&tree);
    }
    return status;
}

// The text is refused, and the sentence holds `part`.
static inline void refuse_text(const char *header, const char *body, const char *part)
{
    fm_status status = check_text(header, body);
    if (status != FM_ERROR_COMPILE || !strstr(fm_last_error(), part)) {
        fail_msg("'%.60s' gave %s, not '%s': %s", body, fm_status_name(status), part, fm_last_error());
    }
}

#endif
