// The fixture, the checks and the short forms. See support.h.
#include "support.h"

#include <sched.h>
#include <time.h>
#include <unistd.h>

// Seconds that one test may take, at scale 1, before the program is ended.
enum { TEST_SECONDS = 900 };

const char *ct_device_name(void)
{
    const char *name = getenv("FERMATA_TEST_DEVICE");
    return name && name[0] ? name : "host";
}

static double scale(void)
{
    const char *text = getenv("FERMATA_TEST_SCALE");
    double value = text ? strtod(text, NULL) : 1.0;
    return value > 0.0 ? value : 1.0;
}

uint32_t ct_scaled(uint32_t count)
{
    double scaled = count * scale();
    return scaled < 1.0 ? 1 : (uint32_t)scaled;
}

void ct_log_nothing(void *user, const char *message)
{
    (void)user;
    (void)message;
}

static void gate_init(ct_gate *gate)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_mutex_init(&gate->lock, NULL);
    pthread_cond_init(&gate->changed, &attributes);
    pthread_condattr_destroy(&attributes);
}

int ct_setup(void **state)
{
    double factor = scale();
    alarm((unsigned)(TEST_SECONDS * (factor > 1.0 ? factor : 1.0)));
    ct_fixture *fixture = calloc(1, sizeof *fixture);
    if (!fixture) return -1;
    *state = fixture;
    gate_init(&fixture->gate);
    fixture->device_name = ct_device_name();
    fm_device_info info = {.log = ct_log_nothing};
    if (fm_device_open(fixture->device_name, &info, &fixture->device) != FM_OK ||
        fm_device_get_properties(fixture->device, &fixture->properties) != FM_OK ||
        fm_stream_create(fixture->device, &(fm_stream_info){.label = "main"}, &fixture->stream) != FM_OK) {
        print_error("the fixture cannot be set up: %s\n", fm_last_error());
        return -1;
    }
    return 0;
}

static bool close_device(fm_device **device, const char *which)
{
    fm_status status = fm_device_close(device, CT_TIMEOUT_NS);
    if (status == FM_OK) return true;
    print_error("the %s device does not close: %s: %s\n", which, fm_status_name(status), fm_last_error());
    return false;
}

// A test that fails half-way leaves lists behind, which would keep the device open. Old pointers are refused, so all are tried.
static void cancel_left_lists(ct_fixture *fixture)
{
    for (uint32_t i = 0; i < CT_MAX_BEGUN && i < fixture->begun_count; i++) fm_commands_cancel(&fixture->begun[i]);
}

int ct_teardown(void **state)
{
    ct_fixture *fixture = *state;
    ct_gate_open(fixture);
    if (fm_device_close(&fixture->device, CT_TIMEOUT_NS) == FM_ERROR_BUSY) cancel_left_lists(fixture);
    bool closed = close_device(&fixture->device, "first");
    closed = close_device(&fixture->other, "second") && closed;
    alarm(0);
    if (!closed) return -1; // the device may still come to the gate, so it stays
    pthread_cond_destroy(&fixture->gate.changed);
    pthread_mutex_destroy(&fixture->gate.lock);
    free(fixture);
    return 0;
}

fm_device *ct_other_device(ct_fixture *fixture)
{
    if (!fixture->other) {
        CT_OK(fm_device_open(fixture->device_name, &(fm_device_info){.log = ct_log_nothing}, &fixture->other));
        assert_non_null(fixture->other);
    }
    return fixture->other;
}

void ct_check(fm_status actual, fm_status expected, const char *call, const char *file, int line)
{
    if (actual != expected) {
        print_error("%s\n  answered %s, expected %s; last error: %s\n", call, fm_status_name(actual),
                    fm_status_name(expected), fm_last_error());
        _fail(file, line);
    }
    if (actual < 0 && fm_last_error()[0] == '\0') {
        print_error("%s\n  answered %s and left no sentence\n", call, fm_status_name(actual));
        _fail(file, line);
    }
}

void ct_check_either(fm_status actual, fm_status first, fm_status second, const char *call, const char *file, int line)
{
    ct_check(actual, actual == first ? first : second, call, file, line);
}

void ct_check_refused(fm_status actual, const char *call, const char *file, int line)
{
    if (actual >= 0) {
        print_error("%s\n  answered %s, expected an error\n", call, fm_status_name(actual));
        _fail(file, line);
    }
    ct_check(actual, actual, call, file, line);
}

uint64_t ct_random_next(ct_random *random)
{
    uint64_t z = random->state += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

uint32_t ct_random_below(ct_random *random, uint32_t limit)
{
    return (uint32_t)(((ct_random_next(random) >> 32) * limit) >> 32);
}

fm_buffer ct_buffer(ct_fixture *fixture, uint64_t size_bytes)
{
    fm_buffer buffer = {UINT64_MAX};
    CT_OK(fm_buffer_create(fixture->device, &(fm_buffer_info){.size_bytes = size_bytes}, &buffer));
    assert_true(buffer.id != 0);
    return buffer;
}

fm_buffer ct_buffer_of(ct_fixture *fixture, const void *bytes, uint64_t size_bytes)
{
    fm_buffer buffer = ct_buffer(fixture, size_bytes);
    CT_OK(fm_buffer_write(fixture->device, fixture->stream, buffer, 0, size_bytes, bytes, CT_TIMEOUT_NS));
    return buffer;
}

void ct_read(ct_fixture *fixture, fm_buffer buffer, uint64_t offset_bytes, uint64_t size_bytes, void *destination)
{
    memset(destination, CT_POISON, (size_t)size_bytes);
    CT_OK(fm_buffer_read(fixture->device, fixture->stream, buffer, offset_bytes, size_bytes, destination,
                         CT_TIMEOUT_NS));
}

void ct_expect_words(ct_fixture *fixture, fm_buffer buffer, uint32_t count, uint32_t value)
{
    uint32_t *words = malloc(count * sizeof *words);
    assert_non_null(words);
    ct_read(fixture, buffer, 0, count * sizeof *words, words);
    uint32_t wrong = 0;
    while (wrong < count && words[wrong] == value) wrong++;
    uint32_t got = wrong < count ? words[wrong] : value;
    free(words);
    if (wrong < count) fail_msg("word %u of %u is 0x%08x, expected 0x%08x", wrong, count, got, value);
}

void ct_expect_bytes(ct_fixture *fixture, fm_buffer buffer, uint64_t offset_bytes, uint64_t size_bytes, uint8_t value)
{
    uint8_t *bytes = malloc((size_t)size_bytes);
    assert_non_null(bytes);
    ct_read(fixture, buffer, offset_bytes, size_bytes, bytes);
    uint64_t wrong = 0;
    while (wrong < size_bytes && bytes[wrong] == value) wrong++;
    unsigned got = wrong < size_bytes ? bytes[wrong] : value;
    free(bytes);
    if (wrong < size_bytes) {
        fail_msg("byte %llu is 0x%02x, expected 0x%02x", (unsigned long long)(offset_bytes + wrong), got, value);
    }
}

void ct_expect_content(ct_fixture *fixture, fm_buffer buffer, const void *expected, uint64_t size_bytes)
{
    const uint8_t *wanted = expected;
    uint8_t *bytes = malloc((size_t)size_bytes);
    assert_non_null(bytes);
    ct_read(fixture, buffer, 0, size_bytes, bytes);
    uint64_t wrong = 0;
    while (wrong < size_bytes && bytes[wrong] == wanted[wrong]) wrong++;
    unsigned got = wrong < size_bytes ? bytes[wrong] : 0;
    free(bytes);
    if (wrong < size_bytes) {
        fail_msg("byte %llu is 0x%02x, expected 0x%02x", (unsigned long long)wrong, got, wanted[wrong]);
    }
}

fm_kernel ct_kernel(ct_fixture *fixture, const char *body, const fm_kernel_param *params, uint32_t param_count,
                    const fm_kernel_constant *constants, uint32_t constant_count)
{
    fm_kernel kernel = {UINT64_MAX};
    CT_OK(fm_kernel_create(fixture->device,
                           &(fm_kernel_info){.name = "test_kernel",
                                             .code = body,
                                             .params = params,
                                             .param_count = param_count,
                                             .constants = constants,
                                             .constant_count = constant_count},
                           &kernel));
    assert_true(kernel.id != 0);
    return kernel;
}

fm_kernel ct_kernel_set(ct_fixture *fixture)
{
    return ct_kernel(fixture, "uint i = global_id.x; if (i < count) x[i] = value;",
                     CT_PARAMS({"x", FM_DTYPE_U32, FM_ACCESS_WRITE}),
                     CT_CONSTANTS({"count", FM_DTYPE_U32}, {"value", FM_DTYPE_U32}));
}

fm_kernel ct_kernel_step(ct_fixture *fixture)
{
    return ct_kernel(fixture, "uint i = global_id.x; if (i < count) x[i] = 2u * x[i] + value;",
                     CT_PARAMS({"x", FM_DTYPE_U32, FM_ACCESS_READ_WRITE}),
                     CT_CONSTANTS({"count", FM_DTYPE_U32}, {"value", FM_DTYPE_U32}));
}

fm_kernel ct_kernel_add(ct_fixture *fixture)
{
    return ct_kernel(fixture, "uint i = global_id.x; if (i < count) y[i] = x[i] + value;",
                     CT_PARAMS({"x", FM_DTYPE_U32, FM_ACCESS_READ}, {"y", FM_DTYPE_U32, FM_ACCESS_WRITE}),
                     CT_CONSTANTS({"count", FM_DTYPE_U32}, {"value", FM_DTYPE_U32}));
}

fm_kernel ct_kernel_count(ct_fixture *fixture)
{
    return ct_kernel(fixture, "atomic_add(x[0], 1u);", CT_PARAMS({"x", FM_DTYPE_U32, FM_ACCESS_READ_WRITE}), NULL, 0);
}

fm_dispatch_info ct_dispatch_info(fm_kernel kernel, uint32_t groups, const fm_binding *bindings, uint32_t binding_count,
                                  const void *constants, uint32_t constants_size_bytes)
{
    return (fm_dispatch_info){.kernel = kernel,
                              .group_count = {groups, 1, 1},
                              .bindings = bindings,
                              .binding_count = binding_count,
                              .constants = constants,
                              .constants_size_bytes = constants_size_bytes};
}

fm_status ct_record_set(fm_commands *commands, fm_kernel kernel, fm_buffer buffer, uint32_t count, uint32_t value)
{
    ct_set_constants constants = {count, value};
    fm_dispatch_info info =
        ct_dispatch_info(kernel, (count + 63) / 64, CT_BINDINGS({.buffer = buffer}), &constants, sizeof constants);
    return fm_dispatch(commands, &info);
}

fm_status ct_record_add(fm_commands *commands, fm_kernel kernel, fm_buffer source, fm_buffer target, uint32_t count,
                        uint32_t value)
{
    ct_set_constants constants = {count, value};
    fm_dispatch_info info =
        ct_dispatch_info(kernel, (count + 63) / 64, CT_BINDINGS({.buffer = source}, {.buffer = target}), &constants,
                         sizeof constants);
    return fm_dispatch(commands, &info);
}

void ct_expect_unsupported(ct_fixture *fixture, const fm_kernel_info *info)
{
    fm_kernel kernel = {UINT64_MAX};
    CT_STATUS(fm_kernel_create(fixture->device, info, &kernel), FM_ERROR_UNSUPPORTED);
    assert_true(kernel.id == 0);
}

fm_commands *ct_begin(ct_fixture *fixture)
{
    fm_commands *commands = NULL;
    CT_OK(fm_commands_begin(fixture->device, NULL, &commands));
    assert_non_null(commands);
    fixture->begun[fixture->begun_count++ % CT_MAX_BEGUN] = commands;
    return commands;
}

fm_point ct_commit(fm_commands **commands, fm_stream stream)
{
    fm_point point = {{0}, 0};
    CT_OK(fm_commit(commands, &(fm_commit_info){.stream = stream}, &point));
    assert_null(*commands);
    assert_true(point.stream.id == stream.id);
    assert_true(point.value != 0);
    return point;
}

void ct_finish(ct_fixture *fixture, fm_commands *commands)
{
    fm_point point = ct_commit(&commands, fixture->stream);
    CT_OK(fm_point_wait(fixture->device, point, CT_TIMEOUT_NS));
}

fm_device_stats ct_stats(ct_fixture *fixture)
{
    fm_device_stats stats;
    memset(&stats, CT_POISON, sizeof stats);
    CT_OK(fm_device_get_stats(fixture->device, &stats));
    return stats;
}

void ct_wait_idle(ct_fixture *fixture)
{
    struct timespec start;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &start);
    while (ct_stats(fixture).lists_in_flight != 0) {
        clock_gettime(CLOCK_MONOTONIC, &now);
        if ((uint64_t)(now.tv_sec - start.tv_sec) * UINT64_C(1000000000) > CT_TIMEOUT_NS)
            fail_msg("lists stay in flight");
        sched_yield();
    }
}

// The gate's host function: waits until the gate opens, at most as long as any wait here.
static fm_status gate_pass(const fm_host_call *call)
{
    ct_gate *gate = call->user;
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += (time_t)(CT_TIMEOUT_NS / UINT64_C(1000000000));
    pthread_mutex_lock(&gate->lock);
    gate->entered++;
    pthread_cond_broadcast(&gate->changed);
    int late = 0;
    while (!gate->open && !late) late = pthread_cond_timedwait(&gate->changed, &gate->lock, &until);
    pthread_mutex_unlock(&gate->lock);
    return late ? FM_ERROR_KERNEL_FAILED : FM_OK;
}

bool ct_gate_is_exact(const ct_fixture *fixture)
{
    return fixture->properties.runs_host_functions != 0;
}

static void create_gate_kernel(ct_fixture *fixture)
{
    if (ct_gate_is_exact(fixture)) {
        fm_kernel_param param = {"x", FM_DTYPE_U32, FM_ACCESS_READ_WRITE};
        CT_OK(fm_kernel_create(fixture->device,
                               &(fm_kernel_info){.name = "gate",
                                                 .language = FM_KERNEL_HOST_FUNCTION,
                                                 .params = &param,
                                                 .param_count = 1,
                                                 .constants_size_bytes = sizeof(ct_set_constants),
                                                 .host_function = gate_pass,
                                                 .user = &fixture->gate},
                               &fixture->gate_kernel));
        return;
    }
    // No compiler can know that `value` is 0, so the loop stays and the element keeps its content.
    fixture->gate_kernel = ct_kernel(fixture,
                                     "uint v = x[0]; for (uint k = 0u; k < count; k++) v = v * 1664525u + 1013904223u; "
                                     "x[0] = x[0] ^ (v & value);",
                                     CT_PARAMS({"x", FM_DTYPE_U32, FM_ACCESS_READ_WRITE}),
                                     CT_CONSTANTS({"count", FM_DTYPE_U32}, {"value", FM_DTYPE_U32}));
}

void ct_record_gate(ct_fixture *fixture, fm_commands *commands, fm_buffer buffer)
{
    if (fixture->gate_kernel.id == 0) create_gate_kernel(fixture);
    // A driver on the processor takes as long for fewer, and may end loops of 65,535 trips, which fails the list.
    ct_set_constants constants = {fixture->properties.kind == FM_DEVICE_CPU ? 60000 : 3000000, 0};
    fm_dispatch_info info =
        ct_dispatch_info(fixture->gate_kernel, 1, CT_BINDINGS({.buffer = buffer}), &constants, sizeof constants);
    CT_OK(fm_dispatch(commands, &info));
}

fm_point ct_commit_gate(ct_fixture *fixture, fm_stream stream, fm_buffer buffer)
{
    fm_commands *commands = ct_begin(fixture);
    ct_record_gate(fixture, commands, buffer);
    return ct_commit(&commands, stream);
}

void ct_gate_open(ct_fixture *fixture)
{
    pthread_mutex_lock(&fixture->gate.lock);
    fixture->gate.open = true;
    pthread_cond_broadcast(&fixture->gate.changed);
    pthread_mutex_unlock(&fixture->gate.lock);
}
