// A driver and its layers count, too: they are called in the default floating-point state, whatever the program's thread has set up (LAND-3). The
// manual device looks at it in every function of the waist. Each case fails with one fmi_float_enter taken out of the source.
#include "manual_fixture.h"

#include <fenv.h>

enum { WORDS = 256, BYTES = WORDS * 4, LARGE = 64 << 20 };

// On the thread that calls: each violation, also those of a device that is being closed.
static void count_violation(void *user, fm_testing_event event, const char *text)
{
    int *count = user;
    if (event == FM_TESTING_VIOLATED) {
        print_error("%s\n", text);
        (*count)++;
    }
}

typedef struct scene {
    md_fixture base;
    int violations;
} scene;

// The last step of each test, in the state of a program that rounds upwards.
static void close_and_check(scene *s)
{
    OK(fm_device_close(&s->base.device, MD_SECOND));
    assert_int_equal(fegetround(), FE_UPWARD);
    assert_int_equal(s->violations, 0);
}

static int set_up(void **state)
{
    scene *s = md_new(sizeof *s, &(fm_device_info){.batches_in_flight = 1, .variant_limit = 1});
    *state = s;
    OK(fm_testing_observe(s->base.device, count_violation, &s->violations));
    fesetround(FE_UPWARD);
    return 0;
}

static int tear_down(void **state)
{
    fesetround(FE_TONEAREST);
    return md_delete(state);
}

static void float_state_of_submits_waits_and_completion_is_the_default(void **state)
{
    scene *s = *state;
    md_fixture *f = &s->base;
    fm_buffer x = md_buffer(f, BYTES);
    md_commit_fill(f, f->a, x, 7);
    OK(fm_testing_step_in_waits(f->device, 1));
    md_expect(f, f->a, x, WORDS, 7);
    close_and_check(s);
}

static void float_state_of_memory_is_the_default(void **state)
{
    scene *s = *state;
    md_fixture *f = &s->base;
    OK(fm_testing_step_in_waits(f->device, 1));
    fm_buffer large = md_buffer(f, LARGE), imported;
    static uint32_t bytes[4096] __attribute__((aligned(4096)));
    OK(fm_buffer_import_host(f->device, &(fm_buffer_import_info){.pointer = bytes, .size_bytes = sizeof bytes},
                             &imported));
    md_run(f);
    OK(fm_buffer_destroy(f->device, large));
    OK(fm_buffer_destroy(f->device, imported));
    OK(fm_device_trim(f->device, NULL));
    close_and_check(s);
}

static fm_status do_nothing(const fm_host_call *call)
{
    (void)call;
    return FM_OK;
}

// The second variant evicts the first; a host function's goes with its kernel.
static void float_state_of_variants_is_the_default(void **state)
{
    scene *s = *state;
    md_fixture *f = &s->base;
    OK(fm_testing_step_in_waits(f->device, 1));
    fm_buffer x = md_buffer(f, BYTES);
    for (int i = 0; i < 2; i++) {
        fm_kernel kernel;
        fm_kernel_param param = {"x", FM_DTYPE_U32, FM_ACCESS_WRITE};
        OK(fm_kernel_create(f->device,
                            &(fm_kernel_info){.name = "put",
                                              .code = i ? "x[global_id.x] = 1u;" : "x[global_id.x] = 2u;",
                                              .params = &param,
                                              .param_count = 1,
                                              .group_size = {WORDS, 1, 1}},
                            &kernel));
        fm_commands *commands = md_begin(f, 0);
        OK(fm_dispatch(commands, &(fm_dispatch_info){.kernel = kernel,
                                                     .group_count = {1, 1, 1},
                                                     .bindings = &(fm_binding){.buffer = x},
                                                     .binding_count = 1}));
        md_commit(commands, f->a);
        md_expect(f, f->a, x, WORDS, i ? 1 : 2);
        OK(fm_kernel_destroy(f->device, kernel));
    }
    OK(fm_kernel_destroy(f->device, md_host_kernel(f, "nothing", 1, do_nothing, NULL)));
    close_and_check(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(float_state_of_submits_waits_and_completion_is_the_default, set_up, tear_down),
        cmocka_unit_test_setup_teardown(float_state_of_memory_is_the_default, set_up, tear_down),
        cmocka_unit_test_setup_teardown(float_state_of_variants_is_the_default, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
