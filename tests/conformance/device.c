// Devices: listing, opening, properties and counters. Closing has a group of its own.
#include "groups.h"
#include "threads.h"

static void device_list_without_room_counts(void **state)
{
    (void)state;
    uint32_t count = UINT32_MAX;
    CT_OK(fm_device_list(NULL, &count));
    assert_true(count >= 1 && count < 1000);
    fm_device_entry *entries = calloc(count, sizeof *entries);
    assert_non_null(entries);
    uint32_t filled = count;
    CT_OK(fm_device_list(entries, &filled));
    assert_int_equal(filled, count);
    for (uint32_t i = 0; i < count; i++) {
        assert_true(entries[i].name[0] != '\0' && memchr(entries[i].name, 0, sizeof entries[i].name));
        assert_true(memchr(entries[i].description, 0, sizeof entries[i].description));
        assert_in_range(entries[i].kind, FM_DEVICE_DISCRETE_GPU, FM_DEVICE_HOST);
        if (i > 0) assert_true(entries[i - 1].kind <= entries[i].kind); // the order of "auto"
        for (uint32_t j = 0; j < i; j++) assert_string_not_equal(entries[i].name, entries[j].name);
    }
    free(entries);
}

static void device_list_with_little_room_fills_what_fits(void **state)
{
    (void)state;
    uint32_t all = 0;
    CT_OK(fm_device_list(NULL, &all));
    fm_device_entry entries[2];
    memset(entries, CT_POISON, sizeof entries);
    fm_device_entry poisoned = entries[1];
    uint32_t count = 1;
    CT_OK(fm_device_list(entries, &count));
    assert_int_equal(count, all);
    assert_true((unsigned char)entries[0].name[0] != CT_POISON);
    assert_memory_equal(&entries[1], &poisoned, sizeof poisoned);
    count = 0;
    CT_OK(fm_device_list(entries, &count));
    assert_int_equal(count, all);
}

static void device_list_without_count_is_invalid(void **state)
{
    (void)state;
    fm_device_entry entry;
    CT_STATUS(fm_device_list(&entry, NULL), FM_ERROR_INVALID_ARGUMENT);
    CT_STATUS(fm_device_list(NULL, NULL), FM_ERROR_INVALID_ARGUMENT);
}

static void device_open_of_each_listed_name_opens_that_device(void **state)
{
    (void)state;
    fm_device_entry entries[8];
    uint32_t count = 8;
    CT_OK(fm_device_list(entries, &count));
    for (uint32_t i = 0; i < count && i < 8; i++) {
        fm_device *device = NULL;
        fm_status status = fm_device_open(entries[i].name, &(fm_device_info){.log = ct_log_nothing}, &device);
        if (status != FM_OK && getenv("FERMATA_BINDING_MODE")) { // asks for what some devices do not have
            CT_STATUS(status, FM_ERROR_UNSUPPORTED);
            continue;
        }
        CT_OK(status);
        fm_device_properties properties;
        CT_OK(fm_device_get_properties(device, &properties));
        assert_string_equal(properties.name, entries[i].name);
        assert_string_equal(properties.description, entries[i].description);
        assert_int_equal(properties.kind, entries[i].kind);
        CT_OK(fm_device_close(&device, CT_TIMEOUT_NS));
    }
}

static void device_open_of_an_unknown_name_is_no_device(void **state)
{
    (void)state;
    static const char *const names[] = {"no such device", "vulkan:999999", "vulkan:no driver has this name", "host:7",
                                        "hos"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        fm_device *device = (fm_device *)&state;
        CT_STATUS(fm_device_open(names[i], NULL, &device), FM_ERROR_NO_DEVICE);
        assert_null(device);
    }
}

static void device_open_without_a_place_to_store_is_invalid(void **state)
{
    (void)state;
    CT_STATUS(fm_device_open(ct_device_name(), NULL, NULL), FM_ERROR_INVALID_ARGUMENT);
}

static void device_open_auto_opens_the_best(void **state)
{
    (void)state;
    static const char *const names[] = {NULL, "auto"};
    for (size_t i = 0; i < 2; i++) {
        fm_device *device = NULL;
        CT_OK(fm_device_open(names[i], &(fm_device_info){.log = ct_log_nothing}, &device));
        assert_non_null(device);
        CT_OK(fm_device_close(&device, CT_TIMEOUT_NS));
        assert_null(device);
    }
}

static void device_properties_name_opens_it_again(void **state)
{
    ct_fixture *f = *state;
    fm_device *again = NULL;
    CT_OK(fm_device_open(f->properties.name, &(fm_device_info){.log = ct_log_nothing}, &again));
    fm_device_properties properties;
    CT_OK(fm_device_get_properties(again, &properties));
    assert_string_equal(properties.name, f->properties.name);
    assert_string_equal(properties.description, f->properties.description);
    CT_OK(fm_device_close(&again, CT_TIMEOUT_NS));
}

static void device_properties_are_within_the_contract(void **state)
{
    ct_fixture *f = *state;
    fm_device_properties p;
    memset(&p, CT_POISON, sizeof p);
    CT_OK(fm_device_get_properties(f->device, &p));
    assert_true(memchr(p.name, 0, sizeof p.name) != NULL && p.name[0] != '\0');
    assert_true(memchr(p.description, 0, sizeof p.description) != NULL);
    assert_in_range(p.kind, FM_DEVICE_DISCRETE_GPU, FM_DEVICE_HOST);
    assert_in_range(p.binding_mode, FM_BINDING_ADDRESSES, FM_BINDING_DESCRIPTORS);
    assert_true(p.memory_bytes > 0 && p.max_binding_bytes > 0);
    for (int axis = 0; axis < 3; axis++) assert_true(p.max_group_size[axis] >= 1);
    assert_true(p.max_group_size[0] >= 64 && p.max_group_invocations >= 64);
    for (int axis = 0; axis < 3; axis++) assert_true(p.max_group_count[axis] >= 65535);
    assert_int_equal(p.runs_shared_memory, p.max_shared_bytes > 0);
    assert_true(p.max_shared_bytes == 0 || p.max_shared_bytes >= 16384);
    assert_true(p.max_constants_bytes >= 128);
    assert_true(p.binding_alignment_bytes >= 1);
    assert_int_equal(p.binding_alignment_bytes & (p.binding_alignment_bytes - 1), 0);
    uint32_t always = 1u << FM_DTYPE_F32 | 1u << FM_DTYPE_I32 | 1u << FM_DTYPE_U32;
    assert_int_equal(p.dtype_mask & always, always);
    assert_int_equal(p.dtype_mask & 1u << FM_DTYPE_NONE, 0);
    assert_true(p.runs_glsl <= 1 && p.runs_host_functions <= 1 && p.runs_shared_memory <= 1 && p.keeps_subnormals <= 1);
    if (p.runs_glsl) assert_true(p.max_push_constants_bytes >= 128);
    if (p.kind == FM_DEVICE_HOST) assert_true(p.runs_host_functions && !p.runs_glsl);
}

static void device_queries_without_a_place_to_store_are_invalid(void **state)
{
    ct_fixture *f = *state;
    CT_STATUS(fm_device_get_properties(f->device, NULL), FM_ERROR_INVALID_ARGUMENT);
    CT_STATUS(fm_device_get_stats(f->device, NULL), FM_ERROR_INVALID_ARGUMENT);
}

static void device_null_is_refused_by_every_function(void **state)
{
    (void)state;
    fm_device_properties properties;
    fm_device_stats stats;
    fm_buffer buffer = {1};
    fm_kernel kernel = {1};
    fm_stream stream = {1};
    fm_commands *commands = NULL;
    uint64_t size = 0;
    CT_REFUSED(fm_device_get_properties(NULL, &properties));
    CT_REFUSED(fm_device_get_stats(NULL, &stats));
    CT_REFUSED(fm_buffer_create(NULL, &(fm_buffer_info){.size_bytes = 4}, &buffer));
    CT_REFUSED(fm_buffer_destroy(NULL, (fm_buffer){1}));
    CT_REFUSED(fm_buffer_get_size(NULL, (fm_buffer){1}, &size));
    CT_REFUSED(fm_buffer_write(NULL, stream, (fm_buffer){1}, 0, 4, &size, 0));
    CT_REFUSED(fm_buffer_read(NULL, stream, (fm_buffer){1}, 0, 4, &size, 0));
    CT_REFUSED(fm_kernel_create(NULL, &(fm_kernel_info){.name = "x", .code = ""}, &kernel));
    CT_REFUSED(fm_kernel_destroy(NULL, (fm_kernel){1}));
    CT_REFUSED(fm_stream_create(NULL, NULL, &stream));
    CT_REFUSED(fm_stream_destroy(NULL, (fm_stream){1}));
    CT_REFUSED(fm_stream_reset(NULL, (fm_stream){1}, 0));
    CT_REFUSED(fm_point_poll(NULL, (fm_point){{1}, 1}));
    CT_REFUSED(fm_point_wait(NULL, (fm_point){{1}, 1}, 0));
    CT_REFUSED(fm_point_on_complete(NULL, (fm_point){{1}, 1}, ct_calls_record, NULL));
    CT_REFUSED(fm_commands_begin(NULL, NULL, &commands));
    assert_null(commands);
}

// What one list of a fill, a dispatch and a read-back adds to the counters.
static void device_stats_count_what_was_submitted(void **state)
{
    ct_fixture *f = *state;
    fm_buffer buffer = ct_buffer(f, 256);
    fm_kernel kernel = ct_kernel_step(f);
    uint32_t word = 0xA5A5A5A5;
    ct_expect_words(f, buffer, 1, 0); // whatever the first use costs is spent before the count begins
    ct_wait_idle(f);
    fm_device_stats before = ct_stats(f);
    fm_commands *commands = ct_begin(f);
    CT_OK(fm_fill(commands, buffer, 0, FM_WHOLE_SIZE, 7));
    CT_OK(ct_record_set(commands, kernel, buffer, 64, 1));
    CT_OK(fm_read(commands, buffer, 0, 4, &word));
    ct_finish(f, commands);
    ct_wait_idle(f);
    fm_device_stats after = ct_stats(f);
    assert_int_equal(word, 15);
    assert_int_equal(after.commits - before.commits, 1);
    assert_int_equal(after.submissions - before.submissions, 1);
    assert_int_equal(after.dispatches - before.dispatches, 1);
    assert_int_equal(after.transfers - before.transfers, 2);
    assert_int_equal(after.waves - before.waves, 3); // each needs the one before
    assert_int_equal(after.limit_waits, before.limit_waits);
    assert_true(after.bytes_in_use_peak >= after.bytes_in_use);
    assert_true(after.bytes_reserved >= after.bytes_in_use);
}

static void device_stats_count_memory_of_live_and_held_buffers(void **state)
{
    ct_fixture *f = *state;
    uint64_t before = ct_stats(f).bytes_in_use;
    fm_buffer first = ct_buffer(f, 1 << 20);
    fm_buffer second = ct_buffer(f, 1 << 20);
    uint64_t both = ct_stats(f).bytes_in_use;
    assert_true(both >= before + (2 << 20));
    ct_wait_idle(f); // the zeroing of new memory holds it too
    fm_commands *commands = ct_begin(f);
    CT_OK(fm_fill(commands, first, 0, FM_WHOLE_SIZE, 1));
    CT_OK(fm_buffer_destroy(f->device, first));
    CT_OK(fm_buffer_destroy(f->device, second));
    uint64_t held = ct_stats(f).bytes_in_use;
    assert_true(held >= before + (1 << 20) && held < both); // HOLD-1: the first is held by the list
    ct_finish(f, commands);
    ct_wait_idle(f);
    assert_true(ct_stats(f).bytes_in_use < before + (1 << 20));
    assert_true(ct_stats(f).bytes_in_use_peak >= both);
}

static void device_second_open_shares_nothing(void **state)
{
    ct_fixture *f = *state;
    fm_device *other = ct_other_device(f);
    assert_true(other != f->device);
    fm_device_stats before = ct_stats(f);
    fm_stream stream;
    fm_buffer buffer;
    CT_OK(fm_stream_create(other, NULL, &stream));
    CT_OK(fm_buffer_create(other, &(fm_buffer_info){.size_bytes = 4096}, &buffer));
    uint32_t word = 0xDEADBEEF;
    uint32_t got = 0xA5A5A5A5;
    CT_OK(fm_buffer_write(other, stream, buffer, 0, 4, &word, CT_TIMEOUT_NS));
    CT_OK(fm_buffer_read(other, stream, buffer, 0, 4, &got, CT_TIMEOUT_NS));
    assert_int_equal(got, word);
    fm_device_stats after = ct_stats(f);
    assert_int_equal(before.commits, after.commits);
    assert_int_equal(before.bytes_in_use, after.bytes_in_use);
}

int ct_group_device(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(device_list_without_room_counts),
        cmocka_unit_test(device_list_with_little_room_fills_what_fits),
        cmocka_unit_test(device_list_without_count_is_invalid),
        cmocka_unit_test(device_open_of_each_listed_name_opens_that_device),
        cmocka_unit_test(device_open_of_an_unknown_name_is_no_device),
        cmocka_unit_test(device_open_without_a_place_to_store_is_invalid),
        cmocka_unit_test(device_open_auto_opens_the_best),
        CT_TEST(device_properties_name_opens_it_again),
        CT_TEST(device_properties_are_within_the_contract),
        CT_TEST(device_queries_without_a_place_to_store_are_invalid),
        cmocka_unit_test(device_null_is_refused_by_every_function),
        CT_TEST(device_stats_count_what_was_submitted),
        CT_TEST(device_stats_count_memory_of_live_and_held_buffers),
        CT_TEST(device_second_open_shares_nothing),
    };
    return cmocka_run_group_tests_name("device", tests, NULL, NULL);
}
