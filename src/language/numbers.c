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

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

// The value of a digit of any base; too large for all of them: it is none.
static uint32_t digit_of(char c)
{
    uint32_t letter = (uint32_t)((c | 32) - 'a');
    return is_digit(c) ? (uint32_t)(c - '0') : letter < 6 ? letter + 10 : UINT32_MAX;
}

const char *fmi_number_read_integer(const char *start, const char *end, uint64_t *out_value, uint8_t *out_type)
{
    bool is_hex = end - start > 2 && *start == '0' && (start[1] | 32) == 'x';
    const char *digits = start + (is_hex ? 2 : 0), *last = end;
    uint32_t base = is_hex ? 16 : *start == '0' ? 8 : 10;
    bool is_long = last - start > 1 && (last[-1] | 32) == 'l';
    last -= is_long;
    bool is_unsigned = last - start > 1 && (last[-1] | 32) == 'u';
    last -= is_unsigned;
    if (digits == last) {
        return name_mistake(start, end);
    }
    for (const char *p = digits; p < last; p++) {
        if (digit_of(*p) >= (is_hex ? 16u : 10u)) {
            return name_mistake(start, end);
        }
    }
    uint64_t most = is_long ? (is_unsigned ? UINT64_MAX : INT64_MAX) : (is_unsigned ? UINT32_MAX : INT32_MAX);
    bool fits = true;
    *out_value = 0;
    for (const char *p = digits; p < last; p++) {
        uint32_t digit = digit_of(*p);
        if (digit >= base) {
            return "a number that begins with 0 is octal: its digits are 0 to 7";
        }
        fits = fits && *out_value <= (most - digit) / base;
        *out_value = *out_value * base + digit;
    }
    *out_type = is_long ? (is_unsigned ? FMI_VT_ULONG : FMI_VT_LONG) : (is_unsigned ? FMI_VT_UINT : FMI_VT_INT);
    return fits      ? NULL
           : is_long ? "an integer does not fit 64 bits: a long (with the suffix l) is at most 9223372036854775807, "
                       "a ulong (with ul) 18446744073709551615"
                     : "an integer does not fit 32 bits: an int is at most 2147483647, a uint (with the suffix u) "
                       "4294967295";
}

static const char *skip_digits(const char *p, const char *end)
{
    while (p < end && is_digit(*p)) {
        p++;
    }
    return p;
}

// Digits, at most one point among them, an exponent, and perhaps `f` or `lf`: nothing else is a float.
const char *fmi_number_check_real(const char *start, const char *end, uint8_t *out_type)
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
    bool is_long = end - p == 2 && (*p | 32) == 'l';
    *out_type = is_long ? FMI_VT_DOUBLE : FMI_VT_FLOAT;
    p += is_long;
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
