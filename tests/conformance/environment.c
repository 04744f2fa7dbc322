// The process around the library: floating-point states of the program's threads, and small stacks (LAND-3). What the caller set up for its own
// thread changes no value, and is as it was after each call.
#include "groups.h"
#include "support.h"

#include <fenv.h>
#if defined(__SSE2__)
#include <xmmintrin.h>
#endif

typedef struct float_state {
    const char *name;
    int rounding;
    int traps;
    bool flushes; // subnormals, where the processor has such a mode
} float_state;

static const float_state states[] = {
    {"default", FE_TONEAREST, 0, false},
    {"upward", FE_UPWARD, 0, false},
    {"towards zero", FE_TOWARDZERO, 0, false},
    {"traps", FE_TONEAREST, FE_DIVBYZERO | FE_INVALID | FE_OVERFLOW, false},
    {"all traps", FE_TONEAREST, FE_ALL_EXCEPT, false},
    {"flush to zero", FE_TONEAREST, 0, true},
};

static unsigned control_bits(void)
{
#if defined(__SSE2__)
    return _mm_getcsr() & ~0x3fu; // all but the flags of what has happened
#else
    return 0;
#endif
}

static void set_state(const float_state *s)
{
    fesetenv(FE_DFL_ENV);
    fesetround(s->rounding);
    feenableexcept(s->traps);
#if defined(__SSE2__)
    if (s->flushes) _mm_setcsr(_mm_getcsr() | 0x8040u);
#endif
}

enum { VALUES = 12 };

// Division, overflow, invalid operations and subnormals; literals, and a specialisation value that is no float; with and without barrier().
static const char body[] = "float a = x[0], zero = x[1], large = x[2], small = x[3], r = 0.0;\n"
                           "uint i = local_id.x;\n"
                           "if (i == 0u) r = a / 3.0;\n"
                           "if (i == 1u) r = a / zero;\n"
                           "if (i == 2u) r = large * large;\n"
                           "if (i == 3u) r = small * 0.25;\n"
                           "if (i == 4u) r = 0.1;\n"
                           "if (i == 5u) r = TENTH;\n"
                           "if (i == 6u) r = 0.1 + 0.7;\n"
                           "if (i == 7u) r = sqrt(a) * a;\n"
                           "if (i == 8u) r = exp(a);\n"
                           "if (i == 9u) r = a - 0.3;\n"
                           "if (i == 10u) r = isnan(zero / zero) ? 1.0 : 2.0;\n"
                           "if (i == 11u) r = float(int(a * 1000.0)) * 0.1;\n"
                           "if (i < 12u) y[i] = r;";

// Opens a device in the calling thread's state, and runs the kernel on it.
static void run_in(const float_state *s, bool with_barrier, uint32_t out[VALUES])
{
    char code[1024];
    snprintf(code, sizeof code, "%s%s", with_barrier ? "barrier();\n" : "", body);
    set_state(s);
    const unsigned before = control_bits();
    fm_device *device = NULL;
    fm_stream stream = {0};
    fm_buffer x = {0}, y = {0};
    fm_kernel kernel = {0};
    fm_commands *commands = NULL;
    const float in[] = {1.1f, 0.0f, 3e38f, 1.2e-38f};
    const fm_kernel_param params[] = {{"x", FM_DTYPE_F32, FM_ACCESS_READ}, {"y", FM_DTYPE_F32, FM_ACCESS_WRITE}};
    const fm_kernel_special tenth = {"TENTH", FM_DTYPE_F32, 0.1};
    const fm_kernel_info info = {
        .name = "state", .code = code, .params = params, .param_count = 2, .specials = &tenth, .special_count = 1};
    fm_status status = fm_device_open(ct_device_name(), &(fm_device_info){.log = ct_log_nothing}, &device);
    assert_int_equal(status, FM_OK);
    status = fm_stream_create(device, NULL, &stream);
    status = status ? status : fm_buffer_create(device, &(fm_buffer_info){.size_bytes = sizeof in}, &x);
    status = status ? status : fm_buffer_create(device, &(fm_buffer_info){.size_bytes = VALUES * 4}, &y);
    status = status ? status : fm_buffer_write(device, stream, x, 0, sizeof in, in, CT_TIMEOUT_NS);
    status = status ? status : fm_kernel_create(device, &info, &kernel);
    status = status ? status : fm_commands_begin(device, NULL, &commands);
    const fm_binding bindings[] = {{.buffer = x}, {.buffer = y}};
    fm_dispatch_info dispatch = ct_dispatch_info(kernel, 1, bindings, 2, NULL, 0);
    status = status ? status : fm_dispatch(commands, &dispatch);
    status = status ? status : fm_commit(&commands, &(fm_commit_info){.stream = stream}, NULL);
    status = status ? status : fm_buffer_read(device, stream, y, 0, VALUES * 4, out, CT_TIMEOUT_NS);
    fm_status closed = fm_device_close(&device, CT_TIMEOUT_NS);
    const unsigned after = control_bits();
    const int rounding = fegetround(), traps = fegetexcept();
    fesetenv(FE_DFL_ENV);
    if (status != FM_OK) fail_msg("%s: %s", s->name, fm_last_error());
    assert_int_equal(closed, FM_OK);
    if (after != before || rounding != s->rounding || traps != s->traps)
        fail_msg("%s: the caller's state is not as it was", s->name);
}

static void float_state_of_the_caller_changes_no_value(void **state)
{
    ct_fixture *f = *state;
    for (int with_barrier = 0; with_barrier <= f->properties.runs_shared_memory; with_barrier++) {
        uint32_t wanted[VALUES];
        for (size_t i = 0; i < sizeof states / sizeof states[0]; i++) {
            uint32_t got[VALUES] = {0};
            run_in(&states[i], with_barrier != 0, i == 0 ? wanted : got);
            for (int v = 0; v < VALUES && i > 0; v++) {
                if (got[v] != wanted[v])
                    fail_msg("%s: value %d is 0x%08x, not 0x%08x", states[i].name, v, got[v], wanted[v]);
            }
        }
    }
}

static fm_status round_up_and_leave_it_so(const fm_host_call *call)
{
    (void)call;
    fesetround(FE_UPWARD);
    return FM_OK;
}

// A host function that changes its thread's state changes nothing for the kernel after it.
static void float_state_of_a_host_function_ends_with_it(void **state)
{
    ct_fixture *f = *state;
    if (!f->properties.runs_host_functions) skip();
    const fm_kernel_param param = {"x", FM_DTYPE_F32, FM_ACCESS_READ_WRITE};
    fm_kernel_info info = {.name = "rounds",
                           .language = FM_KERNEL_HOST_FUNCTION,
                           .params = &param,
                           .param_count = 1,
                           .host_function = round_up_and_leave_it_so};
    fm_kernel rounds, third = ct_kernel(f, "if (global_id.x == 0u) x[0] = x[0] / 3.0;", &param, 1, NULL, 0);
    CT_OK(fm_kernel_create(f->device, &info, &rounds));
    const float one = 1.0f;
    fm_buffer buffer = ct_buffer_of(f, &one, sizeof one);
    fm_commands *commands = ct_begin(f);
    fm_dispatch_info dispatch = ct_dispatch_info(rounds, 1, CT_BINDINGS({.buffer = buffer}), NULL, 0);
    CT_OK(fm_dispatch(commands, &dispatch));
    dispatch.kernel = third;
    CT_OK(fm_dispatch(commands, &dispatch));
    ct_finish(f, commands);
    const float wanted = 1.0f / 3.0f;
    ct_expect_content(f, buffer, &wanted, sizeof wanted);
}

int ct_group_environment(void)
{
    const struct CMUnitTest tests[] = {
        CT_TEST(float_state_of_the_caller_changes_no_value),
        CT_TEST(float_state_of_a_host_function_ends_with_it),
    };
    return cmocka_run_group_tests_name("environment", tests, NULL, NULL);
}
