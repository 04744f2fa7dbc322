// Numbers in a text. See numbers.h.
// A number without a suffix is an int: C would make a large one a long, GLSL a negative one.
#include "language/numbers.h"

#include <locale.h>
#include <stdlib.h>
#include <string.h>

static const char *name_mistake(const char *start, const char *end)
{
    bool is_binary = end - start > 2 && *start == '0' && (start[1] | 32) == 'b';
    bool is_half = !is_binary && (end[-1] | 32) == 'h';
    return is_binary ? "there are no binary numbers: write them as 0x…"
           : is_half ? "there are no half numbers, half is a dtype of buffer elements: write a float (1.0f)"
                     : "a number is neither an int, a uint (1u), a long (1l), a ulong (1ul), a float (1.0f) "
                       "nor a double (1.0lf)";
}

struct integer {
    const char *digits;
    const char *end; // of the digits
    uint32_t base;
    bool is_long;
    bool is_unsigned;
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static uint32_t digit_of(char c)
{
    return is_digit(c) ? (uint32_t)(c - '0') : (uint32_t)((c | 32) - 'a') + 10;
}

// Takes an integer apart by its prefix and suffix.
static struct integer take_apart(const char *start, const char *end)
{
    struct integer out = {.digits = start, .end = end, .base = *start == '0' ? 8 : 10};
    out.is_long = end - start > 1 && (end[-1] | 32) == 'l';
    out.end -= out.is_long;
    out.is_unsigned = out.end - start > 1 && (out.end[-1] | 32) == 'u';
    out.end -= out.is_unsigned;
    if (end - start > 2 && *start == '0' && (start[1] | 32) == 'x') {
        out.base = 16;
        out.digits += 2;
    }
    return out;
}

const char *fmi_number_check_integer(const char *start, const char *end)
{
    struct integer integer = take_apart(start, end);
    for (const char *p = integer.digits; p < integer.end; p++) {
        if (!is_digit(*p) && !(integer.base == 16 && (*p | 32) >= 'a' && (*p | 32) <= 'f')) {
            return name_mistake(start, end);
        }
    }
    for (const char *p = integer.digits; p < integer.end && integer.base == 8; p++) {
        if (*p > '7') {
            return "a number that begins with 0 is octal: its digits are 0 to 7";
        }
    }
    uint64_t most = integer.is_long ? (integer.is_unsigned ? UINT64_MAX : INT64_MAX)
                                    : (integer.is_unsigned ? UINT32_MAX : INT32_MAX);
    bool fits = integer.digits < integer.end;
    uint64_t value = 0;
    for (const char *p = integer.digits; p < integer.end && fits; p++) {
        uint32_t digit = digit_of(*p);
        fits = digit < integer.base && value <= (most - digit) / integer.base;
        value = value * integer.base + digit;
    }
    if (fits) {
        return NULL;
    }
    return integer.is_long ? "an integer does not fit 64 bits: a long (with the suffix l) is at most "
                             "9223372036854775807, a ulong (with ul) 18446744073709551615"
                           : "an integer does not fit 32 bits: an int is at most 2147483647, a uint (with the "
                             "suffix u) 4294967295";
}

uint64_t fmi_number_read_integer(const char *start, const char *end, fmi_vtype *out_type)
{
    struct integer integer = take_apart(start, end);
    uint64_t value = 0;
    for (const char *p = integer.digits; p < integer.end; p++) {
        value = value * integer.base + digit_of(*p);
    }
    *out_type = integer.is_long ? (integer.is_unsigned ? FMI_VT_ULONG : FMI_VT_LONG)
                                : (integer.is_unsigned ? FMI_VT_UINT : FMI_VT_INT);
    return value;
}

static const char *skip_digits(const char *p, const char *end)
{
    while (p < end && is_digit(*p)) {
        p++;
    }
    return p;
}

// Digits, at most one point among them, an exponent, and perhaps `f` or `lf`: nothing else is a float.
const char *fmi_number_check_float(const char *start, const char *end)
{
    const char *p = skip_digits(start, end);
    if (p < end && *p == '.') {
        p = skip_digits(p + 1, end);
    }
    if (p < end && (*p | 32) == 'e') {
        p++;
        p += p < end && (*p == '+' || *p == '-');
        if (p == end || !is_digit(*p)) {
            return "a float's exponent has no digits";
        }
        p = skip_digits(p, end);
    }
    p += end - p == 2 && (*p | 32) == 'l';
    return p == end || (p + 1 == end && (*p | 32) == 'f') ? NULL : name_mistake(start, end);
}

bool fmi_number_read_real(const char *start, const char *end, float *out_float, double *out_double)
{
    char text[257] = {0};
    size_t suffix = (end[-1] | 32) != 'f' ? 0 : end - start > 2 && (end[-2] | 32) == 'l' ? 2 : 1;
    memcpy(text, start, (size_t)(end - start) - suffix);
    locale_t plain = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (!plain) {
        return false;
    }
    *out_float = strtof_l(text, NULL, plain);
    *out_double = strtod_l(text, NULL, plain);
    freelocale(plain);
    return true;
}
