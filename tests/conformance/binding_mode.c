// How generated kernels reach memory: which mode a device chooses for itself, and that its own choice narrows nothing.
#include "groups.h"
#include "support.h"

// What the environment asks for, which overrides what a test opens with.
static bool mode_is_forced(void)
{
    const char *text = getenv("FERMATA_BINDING_MODE");
    return text && strcmp(text, "auto") != 0;
}

// A CPU driver is given descriptors; a GPU is given addresses where it has them. No device is ever left in "auto".
static void binding_mode_left_open_follows_the_kind_of_device(void **state)
{
    ct_fixture *f = *state;
    assert_int_not_equal(f->properties.binding_mode, FM_BINDING_AUTO);
    if (mode_is_forced()) skip();
    if (f->properties.kind == FM_DEVICE_CPU) {
        assert_int_equal(f->properties.binding_mode, FM_BINDING_DESCRIPTORS);
    } else if (f->properties.kind == FM_DEVICE_HOST) {
        assert_int_equal(f->properties.binding_mode, FM_BINDING_ADDRESSES);
    }
}

enum { BEYOND_BYTES = 1 << 20 };

static const char touch_source[] = "uint i = global_id.x; if (i < count) x[first + i] += value;";

typedef struct touch_constants {
    uint32_t count, first, value;
} touch_constants;

static fm_status record_touch(fm_commands *commands, fm_kernel kernel, fm_binding binding, touch_constants c)
{
    fm_dispatch_info info = ct_dispatch_info(kernel, (c.count + 63) / 64, &binding, 1, &c, sizeof c);
    return fm_dispatch(commands, &info);
}

// A binding larger than a descriptor's range: kernels with addresses take any. Where descriptors were the device's own choice, such a
// dispatch is made with addresses, beside small ones of the same kernel and in their order. Where the caller asked for descriptors, it is refused.
static void binding_over_the_descriptor_range_runs_unless_descriptors_were_asked_for(void **state)
{
    ct_fixture *f = *state;
    const uint64_t most = f->properties.max_binding_bytes;
    if (most > (UINT64_C(1) << 30) - BEYOND_BYTES) skip(); // nothing to exceed with a buffer that fits a test machine
    const uint64_t size = most + BEYOND_BYTES;
    fm_buffer large = ct_buffer(f, size);
    for (int is_template = 0; is_template < 2; is_template++) {
        fm_dtype own = is_template ? FM_DTYPE_NONE : FM_DTYPE_U32, bound = is_template ? FM_DTYPE_U32 : FM_DTYPE_NONE;
        fm_kernel kernel =
            ct_kernel(f, touch_source, CT_PARAMS({"x", own, FM_ACCESS_READ_WRITE}),
                      CT_CONSTANTS({"count", FM_DTYPE_U32}, {"first", FM_DTYPE_U32}, {"value", FM_DTYPE_U32}));
        const uint32_t last = (uint32_t)(size / 4) - 64;
        const fm_binding all = {.buffer = large, .dtype = bound};
        const fm_binding end = {.buffer = large, .offset_bytes = size - 256, .size_bytes = 256, .dtype = bound};
        fm_commands *commands = ct_begin(f);
        fm_status status = FM_OK;
        for (int round = 0; round < 2; round++) { // large and small in turns: each takes its own variant again
            CT_OK(record_touch(commands, kernel, end, (touch_constants){64, 0, 1}));
            status = record_touch(commands, kernel, all, (touch_constants){64, last, 10});
        }
        if (f->properties.binding_mode == FM_BINDING_DESCRIPTORS && mode_is_forced()) {
            assert_int_equal(status, FM_ERROR_OUT_OF_RANGE);
            assert_non_null(strstr(fm_last_error(), "by descriptor"));
            ct_finish(f, commands);
            continue;
        }
        assert_int_equal(status, FM_OK);
        ct_finish(f, commands);
        uint32_t words[64];
        ct_read(f, large, size - sizeof words, sizeof words, words);
        for (int i = 0; i < 64; i++) assert_int_equal(words[i], 22u * (uint32_t)(is_template + 1));
    }
}

int ct_group_binding_mode(void)
{
    const struct CMUnitTest tests[] = {
        CT_TEST(binding_mode_left_open_follows_the_kind_of_device),
        CT_TEST(binding_over_the_descriptor_range_runs_unless_descriptors_were_asked_for),
    };
    return cmocka_run_group_tests_name("binding_mode", tests, NULL, NULL);
}
