// The table of value types and conversions. See vtype.h.
// C converts every number to every other, GLSL only towards the wider and the unsigned: the rules here are GLSL's.
#include "language/vtype.h"

static const struct {
    const char *name;
    const char *phrase;
    const char *words[FMI_DIALECT_COUNT];
} types[] = {
    [FMI_VT_VOID] = {"void", "nothing", {"void", "void", "void", "void"}},
    [FMI_VT_ANY] = {"any", "an element", {"any", "any", "any", "any"}},
    [FMI_VT_BOOL] = {"bool", "a bool", {"bool", "_Bool", "bool", "bool"}},
    [FMI_VT_INT] = {"int", "an int", {"int", "int", "int", "int"}},
    [FMI_VT_UINT] = {"uint", "a uint", {"uint", "unsigned", "unsigned", "uint"}},
    [FMI_VT_LONG] = {"long", "a long", {"int64_t", "long long", "long long", "long"}},
    [FMI_VT_ULONG] = {"ulong", "a ulong", {"uint64_t", "unsigned long long", "unsigned long long", "ulong"}},
    [FMI_VT_FLOAT] = {"float", "a float", {"float", "float", "float", "float"}},
    [FMI_VT_DOUBLE] = {"double", "a double", {"double", "double", "double", "double"}},
};

const char *fmi_vtype_name(fmi_vtype type)
{
    return types[type].name;
}

const char *fmi_vtype_phrase(fmi_vtype type)
{
    return types[type].phrase;
}

const char *fmi_vtype_word(fmi_vtype type, fmi_dialect_kind dialect)
{
    return types[type].words[dialect];
}

bool fmi_vtype_is_integer(fmi_vtype type)
{
    return type == FMI_VT_ANY || (type >= FMI_VT_INT && type <= FMI_VT_ULONG);
}

bool fmi_vtype_is_real(fmi_vtype type)
{
    return type == FMI_VT_ANY || type == FMI_VT_FLOAT || type == FMI_VT_DOUBLE;
}

bool fmi_vtype_is_number(fmi_vtype type)
{
    return fmi_vtype_is_real(type) || fmi_vtype_is_integer(type);
}

bool fmi_vtype_is_64_bit(fmi_vtype type)
{
    return type == FMI_VT_LONG || type == FMI_VT_ULONG;
}

bool fmi_vtype_fits(fmi_vtype from, fmi_vtype to)
{
    if (from == FMI_VT_VOID || to == FMI_VT_VOID) {
        return false;
    }
    if (from == to || from == FMI_VT_ANY || to == FMI_VT_ANY) {
        return true;
    }
    switch (from) {
    case FMI_VT_INT: return to != FMI_VT_BOOL;
    case FMI_VT_UINT: return to == FMI_VT_FLOAT || to == FMI_VT_DOUBLE || fmi_vtype_is_64_bit(to);
    case FMI_VT_FLOAT: return to == FMI_VT_DOUBLE;
    case FMI_VT_LONG: return to == FMI_VT_ULONG;
    default: return false;
    }
}

bool fmi_vtype_join(fmi_vtype a, fmi_vtype b, fmi_vtype *out)
{
    bool is_any = a == FMI_VT_ANY || b == FMI_VT_ANY;
    *out = is_any ? FMI_VT_ANY : fmi_vtype_fits(a, b) ? b : a;
    return a != FMI_VT_VOID && b != FMI_VT_VOID && (is_any || fmi_vtype_fits(a, b) || fmi_vtype_fits(b, a));
}
