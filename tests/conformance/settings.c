// Settings: ranges of fm_device_info's fields, the environment's overrides, and warnings through the log callback.
// These tests change the environment of the whole program, so each puts back what it found; nothing runs beside them.
#include "groups.h"
#include "threads.h"

// One environment variable for the length of a test.
typedef struct override {
    const char *name;
    char old[256];
    bool was_set;
} override;

static override set_variable(const char *name, const char *value)
{
    override saved = {.name = name};
    const char *old = getenv(name);
    saved.was_set = old != NULL;
    if (old) snprintf(saved.old, sizeof saved.old, "%s", old);
    assert_int_equal(setenv(name, value, 1), 0);
    return saved;
}

static override remove_variable(const char *name)
{
    override saved = set_variable(name, "");
    unsetenv(name);
    return saved;
}

static void restore_variable(const override *saved)
{
    if (saved->was_set) {
        setenv(saved->name, saved->old, 1);
    } else {
        unsetenv(saved->name);
    }
}

// Opens with a variable set and puts the environment back before anything is checked.
static fm_status open_with(const char *name, const char *value, const fm_device_info *info, fm_device **out_device)
{
    override saved = set_variable(name, value);
    fm_status status = fm_device_open(ct_device_name(), info, out_device);
    restore_variable(&saved);
    return status;
}

static const fm_device_info quiet = {.log = ct_log_nothing};

static void settings_in_range_are_taken(void **state)
{
    (void)state;
    fm_device_info info = {.batches_in_flight = 16,
                           .lists_in_flight = 1,
                           .host_threads = 1,
                           .memory_limit_bytes = 64 << 20,
                           .block_size_bytes = 1 << 20,
                           .spin_ns = 1,
                           .commit_timeout_ns = 1,
                           .log = ct_log_nothing};
    fm_device *device = NULL;
    CT_OK(fm_device_open(ct_device_name(), &info, &device));
    CT_OK(fm_device_close(&device, CT_TIMEOUT_NS));
}

static void settings_out_of_range_are_invalid(void **state)
{
    (void)state;
    override mode = remove_variable("FERMATA_BINDING_MODE"); // a variable would hide the field
    override batches = remove_variable("FERMATA_BATCHES_IN_FLIGHT");
    const fm_device_info infos[] = {
        {.log = ct_log_nothing, .batches_in_flight = 17},
        {.log = ct_log_nothing, .batches_in_flight = UINT32_MAX},
        {.log = ct_log_nothing, .binding_mode = (fm_binding_mode)3},
        {.log = ct_log_nothing, .binding_mode = (fm_binding_mode)-1},
    };
    for (size_t i = 0; i < sizeof infos / sizeof infos[0]; i++) {
        fm_device *device = (fm_device *)&state;
        CT_STATUS(fm_device_open(ct_device_name(), &infos[i], &device), FM_ERROR_INVALID_ARGUMENT);
        assert_null(device);
    }
    restore_variable(&mode);
    restore_variable(&batches);
}

static void settings_variables_out_of_range_are_invalid(void **state)
{
    (void)state;
    static const char *const variables[][2] = {
        {"FERMATA_BATCHES_IN_FLIGHT", "17"},    {"FERMATA_BATCHES_IN_FLIGHT", "two"},
        {"FERMATA_BATCHES_IN_FLIGHT", "-1"},    {"FERMATA_LISTS_IN_FLIGHT", "4294967296"},
        {"FERMATA_LISTS_IN_FLIGHT", "12x"},     {"FERMATA_HOST_THREADS", "many"},
        {"FERMATA_MEMORY_LIMIT", "lots"},       {"FERMATA_MEMORY_LIMIT", "99999999999999999999999"},
        {"FERMATA_BLOCK_SIZE", "-5"},           {"FERMATA_SPIN_NS", "soon"},
        {"FERMATA_COMMIT_TIMEOUT_NS", "never"}, {"FERMATA_BINDING_MODE", "telepathy"},
    };
    for (size_t i = 0; i < sizeof variables / sizeof variables[0]; i++) {
        fm_device *device = (fm_device *)&state;
        fm_status status = open_with(variables[i][0], variables[i][1], &quiet, &device);
        if (status != FM_ERROR_INVALID_ARGUMENT) print_error("%s=%s\n", variables[i][0], variables[i][1]);
        CT_STATUS(status, FM_ERROR_INVALID_ARGUMENT);
        assert_null(device);
    }
}

// Whoever set it wrong is told where: the field's name, or the variable's, which overrides it.
static void settings_out_of_range_are_named_as_they_were_given(void **state)
{
    (void)state;
    override saved = remove_variable("FERMATA_GATHER_NS");
    fm_device_info info = {.log = ct_log_nothing, .gather_ns = 1000001};
    fm_device *device = NULL;
    fm_status by_field = fm_device_open(ct_device_name(), &info, &device);
    char sentence[256];
    snprintf(sentence, sizeof sentence, "%s", fm_last_error());
    restore_variable(&saved);
    CT_STATUS(by_field, FM_ERROR_INVALID_ARGUMENT);
    assert_non_null(strstr(sentence, "fm_device_info.gather_ns is 1000001; allowed are 0 to 1000000"));
    info.gather_ns = 0;
    CT_STATUS(open_with("FERMATA_GATHER_NS", "1000002", &info, &device), FM_ERROR_INVALID_ARGUMENT);
    assert_non_null(strstr(fm_last_error(), ": FERMATA_GATHER_NS is 1000002; allowed are 0 to 1000000"));
    info.gather_ns = 1000001;
    CT_OK(open_with("FERMATA_GATHER_NS", "7", &info, &device));
    CT_OK(fm_device_close(&device, CT_TIMEOUT_NS));
}

static void settings_variables_in_range_are_taken(void **state)
{
    (void)state;
    static const char *const variables[][2] = {
        {"FERMATA_BATCHES_IN_FLIGHT", "1"}, {"FERMATA_BATCHES_IN_FLIGHT", "16"},   {"FERMATA_LISTS_IN_FLIGHT", "1"},
        {"FERMATA_HOST_THREADS", "2"},      {"FERMATA_MEMORY_LIMIT", "1048576"},   {"FERMATA_BLOCK_SIZE", "1048576"},
        {"FERMATA_SPIN_NS", "1"},           {"FERMATA_COMMIT_TIMEOUT_NS", "1000"}, {"FERMATA_BINDING_MODE", "auto"},
    };
    for (size_t i = 0; i < sizeof variables / sizeof variables[0]; i++) {
        fm_device *device = NULL;
        CT_OK(open_with(variables[i][0], variables[i][1], &quiet, &device));
        CT_OK(fm_device_close(&device, CT_TIMEOUT_NS));
    }
}

static void settings_memory_limit_variable_overrides_the_field(void **state)
{
    (void)state;
    fm_device_info info = {.memory_limit_bytes = UINT64_C(1) << 30, .log = ct_log_nothing};
    fm_device *device = NULL;
    CT_OK(open_with("FERMATA_MEMORY_LIMIT", "1000", &info, &device));
    fm_buffer buffer = {UINT64_MAX};
    CT_STATUS(fm_buffer_create(device, &(fm_buffer_info){.size_bytes = 1 << 20}, &buffer), FM_ERROR_OUT_OF_MEMORY);
    assert_true(buffer.id == 0);
    CT_OK(fm_device_close(&device, CT_TIMEOUT_NS));
}

static void settings_are_read_at_open_only(void **state)
{
    (void)state;
    fm_device *device = NULL;
    CT_OK(fm_device_open(ct_device_name(), &quiet, &device));
    override saved = set_variable("FERMATA_MEMORY_LIMIT", "1000");
    fm_buffer buffer = {0};
    fm_status status = fm_buffer_create(device, &(fm_buffer_info){.size_bytes = 1 << 20}, &buffer);
    restore_variable(&saved);
    CT_OK(status);
    CT_OK(fm_device_close(&device, CT_TIMEOUT_NS));
}

static void expect_mode(fm_status status, fm_device **device, fm_binding_mode wanted)
{
    CT_EITHER(status, FM_OK, FM_ERROR_UNSUPPORTED);
    if (status != FM_OK) {
        assert_null(*device);
        return;
    }
    fm_device_properties properties;
    CT_OK(fm_device_get_properties(*device, &properties));
    if (properties.runs_glsl) assert_int_equal(properties.binding_mode, wanted);
    assert_true(properties.binding_mode != FM_BINDING_AUTO);
    CT_OK(fm_device_close(device, CT_TIMEOUT_NS));
}

static void settings_binding_mode_is_in_force_or_unsupported(void **state)
{
    (void)state;
    fm_device *device = NULL;
    override saved = remove_variable("FERMATA_BINDING_MODE");
    fm_device_info info = {.log = ct_log_nothing, .binding_mode = FM_BINDING_DESCRIPTORS};
    fm_status status = fm_device_open(ct_device_name(), &info, &device);
    restore_variable(&saved);
    expect_mode(status, &device, FM_BINDING_DESCRIPTORS);
    expect_mode(open_with("FERMATA_BINDING_MODE", "addresses", &info, &device), &device, FM_BINDING_ADDRESSES);
    info.binding_mode = FM_BINDING_ADDRESSES;
    expect_mode(open_with("FERMATA_BINDING_MODE", "descriptors", &info, &device), &device, FM_BINDING_DESCRIPTORS);
}

// Messages seen by a log callback; warnings come on the opening thread, others under the lock.
typedef struct heard {
    pthread_mutex_t lock; // guards the rest
    uint32_t messages;
    bool names_it; // a message named FERMATA_XYZ
} heard;

static void log_and_remember(void *user, const char *message)
{
    heard *h = user;
    pthread_mutex_lock(&h->lock);
    h->messages++;
    if (strstr(message, "FERMATA_XYZ")) h->names_it = true;
    pthread_mutex_unlock(&h->lock);
}

static void settings_unknown_variable_is_warned_about(void **state)
{
    (void)state;
    heard h = {.lock = PTHREAD_MUTEX_INITIALIZER};
    fm_device_info info = {.log = log_and_remember, .log_user = &h};
    fm_device *device = NULL;
    CT_OK(open_with("FERMATA_XYZ", "1", &info, &device));
    CT_OK(fm_device_close(&device, CT_TIMEOUT_NS));
    assert_true(h.messages >= 1);
    assert_true(h.names_it);
}

static void settings_known_variable_is_not_warned_about(void **state)
{
    (void)state;
    heard before = {.lock = PTHREAD_MUTEX_INITIALIZER};
    heard after = {.lock = PTHREAD_MUTEX_INITIALIZER};
    fm_device *device = NULL;
    CT_OK(fm_device_open(ct_device_name(), &(fm_device_info){.log = log_and_remember, .log_user = &before}, &device));
    CT_OK(fm_device_close(&device, CT_TIMEOUT_NS));
    CT_OK(open_with("FERMATA_SPIN_NS", "1000", &(fm_device_info){.log = log_and_remember, .log_user = &after},
                    &device));
    CT_OK(fm_device_close(&device, CT_TIMEOUT_NS));
    assert_int_equal(after.messages, before.messages);
}

// Two lists fill the limit; the third says so and stays the caller's (RETIRE-4).
static void expect_limit_of_two(ct_fixture *f)
{
    fm_buffer buffer = ct_buffer(f, 64);
    fm_device_stats before = ct_stats(f);
    ct_commit_gate(f, f->stream, buffer);
    fm_commands *commands = ct_begin(f);
    CT_OK(fm_fill(commands, buffer, 0, FM_WHOLE_SIZE, 1));
    ct_commit(&commands, f->stream);
    commands = ct_begin(f);
    CT_OK(fm_fill(commands, buffer, 4, 4, 2));
    fm_commands *kept = commands;
    fm_commit_info info = {.stream = f->stream, .no_wait = 1};
    fm_point point = {{0}, 0};
    CT_STATUS(fm_commit(&commands, &info, &point), FM_WOULD_BLOCK);
    assert_ptr_equal(commands, kept);
    assert_int_equal(ct_stats(f).lists_in_flight, 2);
    ct_gate_open(f);
    info.no_wait = 0;
    CT_OK(fm_commit(&commands, &info, &point));
    CT_OK(fm_point_wait(f->device, point, CT_TIMEOUT_NS));
    uint32_t words[2];
    ct_read(f, buffer, 0, sizeof words, words);
    assert_int_equal(words[0], 1);
    assert_int_equal(words[1], 2);
    assert_true(ct_stats(f).commits - before.commits >= 3);
}

static void open_fixture_with_limit(ct_fixture *f, uint32_t field, const char *variable)
{
    CT_OK(fm_device_close(&f->device, CT_TIMEOUT_NS));
    fm_device_info info = {.lists_in_flight = field, .log = ct_log_nothing};
    if (variable) {
        CT_OK(open_with("FERMATA_LISTS_IN_FLIGHT", variable, &info, &f->device));
    } else {
        CT_OK(fm_device_open(ct_device_name(), &info, &f->device));
    }
    CT_OK(fm_stream_create(f->device, NULL, &f->stream));
}

static void settings_lists_in_flight_field_limits(void **state)
{
    ct_fixture *f = *state;
    if (!ct_gate_is_exact(f)) return;
    open_fixture_with_limit(f, 2, NULL);
    expect_limit_of_two(f);
}

static void settings_lists_in_flight_variable_overrides_the_field(void **state)
{
    ct_fixture *f = *state;
    if (!ct_gate_is_exact(f)) return;
    open_fixture_with_limit(f, 1000, "2");
    expect_limit_of_two(f);
}

int ct_group_settings(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(settings_in_range_are_taken),
        cmocka_unit_test(settings_out_of_range_are_invalid),
        cmocka_unit_test(settings_variables_out_of_range_are_invalid),
        cmocka_unit_test(settings_out_of_range_are_named_as_they_were_given),
        cmocka_unit_test(settings_variables_in_range_are_taken),
        cmocka_unit_test(settings_memory_limit_variable_overrides_the_field),
        cmocka_unit_test(settings_are_read_at_open_only),
        cmocka_unit_test(settings_binding_mode_is_in_force_or_unsupported),
        cmocka_unit_test(settings_unknown_variable_is_warned_about),
        cmocka_unit_test(settings_known_variable_is_not_warned_about),
        CT_TEST(settings_lists_in_flight_field_limits),
        CT_TEST(settings_lists_in_flight_variable_overrides_the_field),
    };
    return cmocka_run_group_tests_name("settings", tests, NULL, NULL);
}
