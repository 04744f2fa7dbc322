// Integer division and shifts have one value for every operand, on every device (docs/kernel-language.md, "Numbers"): by zero, of the least
// number by -1, of negative numbers, by more bits than there are. Compared with a model that is written with unsigned arithmetic alone.
#include "groups.h"
#include "support.h"

enum { VALUES = 16, PAIRS = VALUES * VALUES };

// An integer type of the language.
typedef struct integer {
    const char *name;
    fm_dtype dtype;
    uint32_t bits;
    bool is_signed;
} integer;

static const integer integers[] = {
    {"int", FM_DTYPE_I32, 32, true},
    {"uint", FM_DTYPE_U32, 32, false},
    {"long", FM_DTYPE_I64, 64, true},
    {"ulong", FM_DTYPE_U64, 64, false},
};

// An expression of a, b and the result `v`, which is a at first, and what the model says of it.
typedef struct form {
    const char *text;
    uint64_t (*model)(const integer *type, uint64_t a, uint64_t b);
} form;

// The low bits of a value, its sign taken along.
static uint64_t cut(const integer *type, uint64_t value)
{
    if (type->bits == 64) return value;
    return type->is_signed ? (uint64_t)(int64_t)(int32_t)(uint32_t)value : (uint32_t)value;
}

static bool is_negative(const integer *type, uint64_t value)
{
    return type->is_signed && value >> 63;
}

static uint64_t quotient(const integer *type, uint64_t a, uint64_t b)
{
    if (b == 0) return cut(type, UINT64_MAX);
    uint64_t x = is_negative(type, a) ? 0 - a : a, y = is_negative(type, b) ? 0 - b : b;
    return cut(type, is_negative(type, a) != is_negative(type, b) ? 0 - x / y : x / y);
}

static uint64_t rest(const integer *type, uint64_t a, uint64_t b)
{
    return b == 0 ? a : cut(type, a - b * quotient(type, a, b)); // with the dividend's sign
}

static uint64_t left(const integer *type, uint64_t a, uint64_t b)
{
    return cut(type, a << (b & (type->bits - 1)));
}

static uint64_t right(const integer *type, uint64_t a, uint64_t b)
{
    uint64_t shift = b & (type->bits - 1);
    return is_negative(type, a) ? ~(~a >> shift) : a >> shift;
}

static uint64_t chain(const integer *type, uint64_t a, uint64_t b)
{
    return quotient(type, quotient(type, a, b), quotient(type, b, a));
}

static uint64_t mixed(const integer *type, uint64_t a, uint64_t b)
{
    return cut(type, a + rest(type, cut(type, quotient(type, b, a) * b), b) - a);
}

static uint64_t by_minus_one(const integer *type, uint64_t a, uint64_t b)
{
    (void)b;
    return quotient(type, a, cut(type, UINT64_MAX));
}

static uint64_t rest_of_seven(const integer *type, uint64_t a, uint64_t b)
{
    (void)b;
    return rest(type, a, 7);
}

static uint64_t by_seven(const integer *type, uint64_t a, uint64_t b)
{
    (void)b;
    return quotient(type, a, 7);
}

static uint64_t stored(const integer *type, uint64_t a, uint64_t b)
{
    return cut(type, quotient(type, a, b) + rest(type, b, a));
}

static const form forms[] = {
    {"v = a / b;", quotient},
    {"v = a % b;", rest},
    {"v /= b;", quotient},
    {"v %= b;", rest},
    {"v = a / b / (b / a);", chain},
    {"v = a + b / a * b % b - a;", mixed},
    {"v = a / (~(b ^ b));", by_minus_one},
    {"v = a % 7$;", rest_of_seven},
    {"v %= 7$;", rest_of_seven},
    {"v = a / 7$;", by_seven},
    {"y[i] = a; y[i] /= b; v = y[i];", quotient},
    {"y[i] = a; y[i] %= b; v = y[i];", rest},
    {"int at = int(i) - 1; y[i] = a; y[++at] %= b; v = y[i];", rest},
    {"$ t[2]; t[1] = a; v = t[1] /= b;", quotient},
    {"$ w = b, sum; sum = (v /= b) + (w %= a); v = sum;", stored},
    {"v = by(a, b);", quotient},
    {"v = a << int(b);", left},
    {"v = a >> uint(b);", right},
    {"v <<= int(b);", left},
    {"v >>= uint(b) + 0u;", right},
};

// `$` behind a number becomes the suffix of the type, elsewhere its name.
static void write_text(const integer *type, const char *text, char *out)
{
    for (char before = 0; *text; before = *text++) {
        if (*text == '$') {
            bool is_number = before >= '0' && before <= '9';
            const char *suffix = type->bits == 64 ? (type->is_signed ? "l" : "ul") : (type->is_signed ? "" : "u");
            out += sprintf(out, "%s", is_number ? suffix : type->name);
        } else {
            *out++ = *text;
        }
    }
    *out = 0;
}

static void fill_pairs(const integer *type, uint64_t *in)
{
    uint64_t top = UINT64_C(1) << (type->bits - 1);
    const uint64_t values[VALUES] = {
        0, 1, 2, 3, 7, 31, 32, 33, 63, UINT64_MAX, UINT64_MAX - 1, (uint64_t)-7, top, top + 1, top - 1, 1000003};
    for (uint32_t i = 0; i < PAIRS; i++) {
        in[2 * i] = cut(type, values[i % VALUES]);
        in[2 * i + 1] = cut(type, values[i / VALUES]);
    }
}

// Elements of the type as 64-bit values.
static uint64_t load(const integer *type, const void *elements, uint32_t i)
{
    uint64_t value = 0;
    memcpy(&value, (const uint8_t *)elements + i * (type->bits / 8), type->bits / 8);
    return cut(type, value);
}

static void check_form(ct_fixture *f, const integer *type, const form *one)
{
    uint64_t in[2 * PAIRS], out[PAIRS];
    uint8_t elements[sizeof in];
    char text[256], body[512], header[128];
    fill_pairs(type, in);
    for (uint32_t i = 0; i < 2 * PAIRS; i++) memcpy(elements + i * (type->bits / 8), &in[i], type->bits / 8);
    write_text(type, one->text, text);
    snprintf(body, sizeof body, "uint i = global_id.x; %s a = x[2u * i], b = x[2u * i + 1u]; %s v = a;\n%s\ny[i] = v;",
             type->name, type->name, text);
    snprintf(header, sizeof header, "%s by(%s a, %s b) { return a / b; }", type->name, type->name, type->name);
    fm_kernel_info info = {.name = "division",
                           .code = body,
                           .header = header,
                           .params = (const fm_kernel_param[]){{"x", type->dtype, FM_ACCESS_READ},
                                                               {"y", type->dtype, FM_ACCESS_READ_WRITE}},
                           .param_count = 2};
    fm_kernel kernel = {0};
    CT_OK(fm_kernel_create(f->device, &info, &kernel));
    fm_buffer source = ct_buffer_of(f, elements, 2 * PAIRS * (type->bits / 8));
    fm_buffer target = ct_buffer(f, PAIRS * (type->bits / 8));
    fm_commands *commands = ct_begin(f);
    fm_dispatch_info dispatch =
        ct_dispatch_info(kernel, PAIRS / 64, CT_BINDINGS({.buffer = source}, {.buffer = target}), NULL, 0);
    CT_OK(fm_dispatch(commands, &dispatch));
    ct_finish(f, commands);
    ct_read(f, target, 0, PAIRS * (type->bits / 8), out);
    for (uint32_t i = 0; i < PAIRS; i++) {
        uint64_t got = load(type, out, i), wanted = one->model(type, in[2 * i], in[2 * i + 1]);
        if (got != wanted) {
            fail_msg("'%s' of a = 0x%llx, b = 0x%llx gave 0x%llx, expected 0x%llx", text, (unsigned long long)in[2 * i],
                     (unsigned long long)in[2 * i + 1], (unsigned long long)got, (unsigned long long)wanted);
        }
    }
    CT_OK(fm_buffer_destroy(f->device, source));
    CT_OK(fm_buffer_destroy(f->device, target));
    CT_OK(fm_kernel_destroy(f->device, kernel));
}

static void check_type(void **state, const integer *type)
{
    ct_fixture *f = *state;
    if (!(f->properties.dtype_mask >> type->dtype & 1)) skip(); // 64-bit integers are the device's to have
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) check_form(f, type, &forms[i]);
}

static void division_of_ints_has_a_value_for_all_operands(void **state)
{
    check_type(state, &integers[0]);
}

static void division_of_uints_has_a_value_for_all_operands(void **state)
{
    check_type(state, &integers[1]);
}

static void division_of_longs_has_a_value_for_all_operands(void **state)
{
    check_type(state, &integers[2]);
}

static void division_of_ulongs_has_a_value_for_all_operands(void **state)
{
    check_type(state, &integers[3]);
}

// Elements of 8 bits are converted, so that their stores are written another way.
static void division_of_bytes_has_a_value_for_all_operands(void **state)
{
    ct_fixture *f = *state;
    if (!(f->properties.dtype_mask >> FM_DTYPE_I8 & 1)) skip(); // 8-bit elements are the device's to have
    static const int8_t pairs[8][2] = {{7, 0}, {-128, -1}, {-7, 2}, {100, 7}, {0, 0}, {-1, 0}, {127, -1}, {-128, 3}};
    uint8_t in[16], out[16];
    memcpy(in, pairs, sizeof in);
    fm_kernel kernel =
        ct_kernel(f,
                  "uint i = global_id.x; if (i < 8u) { x[2u * i] /= x[2u * i + 1u] / 1; }"
                  " else if (i < 16u) { y[2u * i - 15u] %= y[2u * i - 16u]; }",
                  CT_PARAMS({"x", FM_DTYPE_I8, FM_ACCESS_READ_WRITE}, {"y", FM_DTYPE_U8, FM_ACCESS_READ_WRITE}), NULL,
                  0);
    fm_buffer x = ct_buffer_of(f, in, sizeof in), y = ct_buffer_of(f, in, sizeof in);
    fm_commands *commands = ct_begin(f);
    fm_dispatch_info dispatch = ct_dispatch_info(kernel, 1, CT_BINDINGS({.buffer = x}, {.buffer = y}), NULL, 0);
    CT_OK(fm_dispatch(commands, &dispatch));
    ct_finish(f, commands);
    ct_read(f, x, 0, sizeof out, out);
    for (int i = 0; i < 8; i++) {
        int a = pairs[i][0], b = pairs[i][1];
        assert_int_equal((int8_t)out[2 * i], (int8_t)(b == 0 ? -1 : a / b));
    }
    ct_read(f, y, 0, sizeof out, out);
    for (int i = 0; i < 8; i++) {
        uint8_t a = (uint8_t)pairs[i][1], b = (uint8_t)pairs[i][0];
        assert_int_equal(out[2 * i + 1], b == 0 ? a : a % b);
    }
}

int ct_group_division(void)
{
    const struct CMUnitTest tests[] = {
        CT_TEST(division_of_ints_has_a_value_for_all_operands),
        CT_TEST(division_of_uints_has_a_value_for_all_operands),
        CT_TEST(division_of_longs_has_a_value_for_all_operands),
        CT_TEST(division_of_ulongs_has_a_value_for_all_operands),
        CT_TEST(division_of_bytes_has_a_value_for_all_operands),
    };
    return cmocka_run_group_tests_name("division", tests, NULL, NULL);
}
