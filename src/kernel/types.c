// The table of conversions. See types.h.
// C converts every number to every other, GLSL only towards the wider and the unsigned: the rules here are GLSL's.
#include "kernel/types.h"

#include <string.h>

static const struct {
    const char *name;
    const char *phrase;
} types[] = {[FMI_TYPE_VOID] = {"void", "nothing"},     [FMI_TYPE_ANY] = {"any", "an element"},
             [FMI_TYPE_BOOL] = {"bool", "a bool"},      [FMI_TYPE_INT] = {"int", "an int"},
             [FMI_TYPE_UINT] = {"uint", "a uint"},      [FMI_TYPE_LONG] = {"long", "a long"},
             [FMI_TYPE_ULONG] = {"ulong", "a ulong"},   [FMI_TYPE_FLOAT] = {"float", "a float"},
             [FMI_TYPE_DOUBLE] = {"double", "a double"}};

const char *fmi_type_name(fmi_type type)
{
    return types[type].name;
}

const char *fmi_type_phrase(fmi_type type)
{
    return types[type].phrase;
}

fmi_type fmi_type_find(const char *name, size_t length)
{
    for (int i = 0; i < FMI_TYPE_COUNT; i++) {
        if (i != FMI_TYPE_ANY && strlen(types[i].name) == length && memcmp(types[i].name, name, length) == 0) {
            return (fmi_type)i;
        }
    }
    return FMI_TYPE_COUNT;
}

fmi_type fmi_type_of_dtype(fm_dtype dtype)
{
    switch (dtype) {
    case FM_DTYPE_F32:
    case FM_DTYPE_F16:
    case FM_DTYPE_BF16: return FMI_TYPE_FLOAT;
    case FM_DTYPE_I32:
    case FM_DTYPE_I8: return FMI_TYPE_INT;
    case FM_DTYPE_U32:
    case FM_DTYPE_U8: return FMI_TYPE_UINT;
    case FM_DTYPE_I64: return FMI_TYPE_LONG;
    case FM_DTYPE_U64: return FMI_TYPE_ULONG;
    case FM_DTYPE_F64: return FMI_TYPE_DOUBLE;
    default: return FMI_TYPE_ANY;
    }
}

bool fmi_type_is_integer(fmi_type type)
{
    return type == FMI_TYPE_ANY || (type >= FMI_TYPE_INT && type <= FMI_TYPE_ULONG);
}

bool fmi_type_is_real(fmi_type type)
{
    return type == FMI_TYPE_ANY || type == FMI_TYPE_FLOAT || type == FMI_TYPE_DOUBLE;
}

bool fmi_type_is_number(fmi_type type)
{
    return fmi_type_is_real(type) || fmi_type_is_integer(type);
}

uint32_t fmi_type_size(fmi_type type)
{
    return fmi_type_is_64_bit(type) || type == FMI_TYPE_DOUBLE ? 8 : 4;
}

bool fmi_type_is_64_bit(fmi_type type)
{
    return type == FMI_TYPE_LONG || type == FMI_TYPE_ULONG;
}

bool fmi_type_fits(fmi_type from, fmi_type to)
{
    if (from == FMI_TYPE_VOID || to == FMI_TYPE_VOID) {
        return false;
    }
    if (from == to || from == FMI_TYPE_ANY || to == FMI_TYPE_ANY) {
        return true;
    }
    switch (from) {
    case FMI_TYPE_INT: return to != FMI_TYPE_BOOL;
    case FMI_TYPE_UINT: return to == FMI_TYPE_FLOAT || to == FMI_TYPE_DOUBLE || fmi_type_is_64_bit(to);
    case FMI_TYPE_FLOAT: return to == FMI_TYPE_DOUBLE;
    case FMI_TYPE_LONG: return to == FMI_TYPE_ULONG;
    default: return false;
    }
}

bool fmi_type_join(fmi_type a, fmi_type b, fmi_type *out)
{
    bool is_any = a == FMI_TYPE_ANY || b == FMI_TYPE_ANY;
    *out = is_any ? FMI_TYPE_ANY : fmi_type_fits(a, b) ? b : a;
    return a != FMI_TYPE_VOID && b != FMI_TYPE_VOID && (is_any || fmi_type_fits(a, b) || fmi_type_fits(b, a));
}
