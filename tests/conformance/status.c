// Status codes and fm_last_error: names, sentences, and that each thread has its own last error.
#include "groups.h"
#include "threads.h"

static void status_name_of_each_code_is_its_identifier(void **state)
{
    (void)state;
#define CHECK_NAME(name, value, sentence) assert_string_equal(fm_status_name(name), #name);
    FM_STATUS_LIST(CHECK_NAME)
#undef CHECK_NAME
}

static void status_text_of_each_code_is_its_sentence(void **state)
{
    (void)state;
#define CHECK_TEXT(name, value, sentence) assert_string_equal(fm_status_text(name), sentence);
    FM_STATUS_LIST(CHECK_TEXT)
#undef CHECK_TEXT
}

static void status_values_never_change(void **state)
{
    (void)state;
    assert_int_equal(FM_OK, 0);
    assert_int_equal(FM_TIMEOUT, 3);
    assert_int_equal(FM_ERROR_INVALID_ARGUMENT, -1);
    assert_int_equal(FM_ERROR_CANCELLED, -17);
    assert_int_equal(FM_ERROR_LOST_IN_FORK, -18);
}

// The build, the pkg-config file and the CMake package take theirs from the same header: scripts/check-install compares.
static void version_of_the_library_is_that_of_its_headers(void **state)
{
    (void)state;
    assert_int_equal(fm_version(), FERMATA_VERSION);
    assert_int_equal(fm_version() / 1000000, FERMATA_VERSION_MAJOR);
    assert_int_equal(fm_version() / 1000 % 1000, FERMATA_VERSION_MINOR);
    assert_int_equal(fm_version() % 1000, FERMATA_VERSION_PATCH);
}

static void status_name_of_an_unknown_value_says_so(void **state)
{
    (void)state;
    assert_string_equal(fm_status_name((fm_status)12345), "FM_UNKNOWN");
    assert_string_equal(fm_status_name((fm_status)-12345), "FM_UNKNOWN");
    assert_non_null(fm_status_text((fm_status)12345));
}

// The other thread starts without a last error, gets one of its own, and keeps it over a success.
static void fail_and_succeed(ct_worker *worker)
{
    fm_device *device = worker->fixture->device;
    uint64_t size = 0;
    CT_WORKER_TRUE(worker, fm_last_error()[0] == '\0');
    CT_WORKER_TRUE(worker, fm_buffer_get_size(device, (fm_buffer){0}, &size) == FM_ERROR_NULL_HANDLE);
    CT_WORKER_TRUE(worker, fm_last_error()[0] != '\0');
    fm_device_properties properties;
    CT_WORKER_OK(worker, fm_device_get_properties(device, &properties));
    CT_WORKER_TRUE(worker, fm_last_error()[0] != '\0');
}

static void last_error_on_a_fresh_thread_is_empty(void **state)
{
    CT_STATUS(fm_device_get_properties((*(ct_fixture **)state)->device, NULL), FM_ERROR_INVALID_ARGUMENT);
    ct_run_workers(*state, 1, fail_and_succeed, NULL);
}

static void last_error_after_another_threads_failure_is_unchanged(void **state)
{
    ct_fixture *f = *state;
    CT_STATUS(fm_device_get_properties(f->device, NULL), FM_ERROR_INVALID_ARGUMENT);
    char before[4096];
    snprintf(before, sizeof before, "%s", fm_last_error());
    ct_run_workers(f, 1, fail_and_succeed, NULL);
    assert_string_equal(fm_last_error(), before);
}

static void poll_unready(ct_worker *worker)
{
    fm_point point = *(const fm_point *)worker->shared;
    CT_WORKER_TRUE(worker, fm_point_poll(worker->fixture->device, point) == FM_NOT_READY);
    CT_WORKER_TRUE(worker, fm_last_error()[0] != '\0');
}

static void wait_too_short(ct_worker *worker)
{
    fm_point point = *(const fm_point *)worker->shared;
    CT_WORKER_TRUE(worker, fm_point_wait(worker->fixture->device, point, 1000) == FM_TIMEOUT);
    CT_WORKER_TRUE(worker, fm_last_error()[0] != '\0');
}

static void last_error_after_an_answer_that_is_no_error_is_a_sentence(void **state)
{
    ct_fixture *f = *state;
    if (!ct_gate_is_exact(f)) return; // nothing else stays unready for certain
    fm_point point = ct_commit_gate(f, f->stream, ct_buffer(f, 4));
    ct_run_workers(f, 1, poll_unready, &point);
    ct_run_workers(f, 1, wait_too_short, &point);
    ct_gate_open(f);
    CT_OK(fm_point_wait(f->device, point, CT_TIMEOUT_NS));
}

// A long way through the library on which nothing is refused, so nothing may be said.
static void succeed_everywhere(ct_worker *worker)
{
    fm_device *device = worker->fixture->device;
    fm_stream stream;
    fm_buffer buffer, second;
    fm_kernel kernel;
    fm_kernel_param param = {"x", FM_DTYPE_U32, FM_ACCESS_WRITE};
    fm_kernel_info info = {.name = "quiet", .code = "x[global_id.x] = 1u;", .params = &param, .param_count = 1};
    fm_commands *commands = NULL;
    fm_point point;
    uint32_t words[64];
    CT_WORKER_OK(worker, fm_stream_create(device, NULL, &stream));
    CT_WORKER_OK(worker, fm_buffer_create(device, &(fm_buffer_info){.size_bytes = 256}, &buffer));
    CT_WORKER_OK(worker, fm_buffer_create(device, &(fm_buffer_info){.size_bytes = 256}, &second));
    CT_WORKER_OK(worker, fm_kernel_create(device, &info, &kernel));
    CT_WORKER_OK(worker, fm_commands_begin(device, NULL, &commands));
    fm_dispatch_info dispatch = ct_dispatch_info(kernel, 1, CT_BINDINGS({.buffer = buffer}), NULL, 0);
    CT_WORKER_OK(worker, fm_dispatch(commands, &dispatch));
    CT_WORKER_OK(worker, fm_copy(commands, buffer, 0, second, 0, 256));
    CT_WORKER_OK(worker, fm_fill(commands, buffer, 0, FM_WHOLE_SIZE, 2));
    CT_WORKER_OK(worker, fm_upload(commands, buffer, 0, 4, words));
    CT_WORKER_OK(worker, fm_read(commands, second, 0, sizeof words, words));
    CT_WORKER_OK(worker, fm_commit(&commands, &(fm_commit_info){.stream = stream}, &point));
    CT_WORKER_OK(worker, fm_buffer_destroy(device, second));
    CT_WORKER_OK(worker, fm_kernel_destroy(device, kernel));
    CT_WORKER_OK(worker, fm_point_wait(device, point, CT_TIMEOUT_NS));
    CT_WORKER_OK(worker, fm_point_poll(device, point));
    CT_WORKER_OK(worker, fm_buffer_write(device, stream, buffer, 0, sizeof words, words, CT_TIMEOUT_NS));
    CT_WORKER_OK(worker, fm_buffer_read(device, stream, buffer, 0, sizeof words, words, CT_TIMEOUT_NS));
    CT_WORKER_OK(worker, fm_stream_reset(device, stream, CT_TIMEOUT_NS));
    CT_WORKER_OK(worker, fm_stream_destroy(device, stream));
    CT_WORKER_TRUE(worker, fm_last_error()[0] == '\0');
}

static void last_error_after_successes_alone_is_empty(void **state)
{
    ct_run_workers(*state, 1, succeed_everywhere, NULL);
}

int ct_group_status(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(status_name_of_each_code_is_its_identifier),
        cmocka_unit_test(status_text_of_each_code_is_its_sentence),
        cmocka_unit_test(status_values_never_change),
        cmocka_unit_test(version_of_the_library_is_that_of_its_headers),
        cmocka_unit_test(status_name_of_an_unknown_value_says_so),
        CT_TEST(last_error_on_a_fresh_thread_is_empty),
        CT_TEST(last_error_after_another_threads_failure_is_unchanged),
        CT_TEST(last_error_after_successes_alone_is_empty),
        CT_TEST(last_error_after_an_answer_that_is_no_error_is_a_sentence),
    };
    return cmocka_run_group_tests_name("status", tests, NULL, NULL);
}
