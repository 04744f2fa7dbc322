// What the Vulkan backend's submit makes of a plan, checked by values: both ways of binding, arguments pushed and in buffers,
// descriptors pushed and from pools, both forms of barrier, split dispatches, and a ring that wraps around.
#include "vulkan_fixture.h"

static const test_variant variants[] = {
    {"addresses", FM_BINDING_ADDRESSES, false, false, false},
    {"addresses, arguments in a buffer, 1.0 barriers", FM_BINDING_ADDRESSES, true, false, true},
    {"descriptors", FM_BINDING_DESCRIPTORS, false, false, false},
    {"descriptors, arguments in a buffer, 1.0 barriers", FM_BINDING_DESCRIPTORS, true, false, true},
    {"descriptors from pools", FM_BINDING_DESCRIPTORS, false, true, false},
    {"descriptors from pools, arguments in a buffer, 1.0 barriers", FM_BINDING_DESCRIPTORS, true, true, true},
};

// Runs `body` for each variant that the device has.
static void for_each_variant(void (*body)(fixture *f))
{
    for (size_t i = 0; i < sizeof variants / sizeof variants[0]; i++) {
        fmi_backend *probe = NULL;
        fmi_backend_caps caps;
        fmi_backend_settings settings = {.binding_mode = variants[i].mode, .batches_in_flight = IN_FLIGHT};
        fm_status status = fmi_backend_vulkan.open("vulkan:0", &settings, &probe, &caps);
        if (status == FM_ERROR_UNSUPPORTED) {
            print_message("skipped: %s: %s\n", variants[i].name, fm_last_error());
            continue;
        }
        must(status);
        fmi_backend_vulkan.close(probe);
        print_message("with %s\n", variants[i].name);
        fixture f;
        fixture_open(&f, variants[i]);
        body(&f);
        fixture_close(&f);
    }
}

static const kernel_text multiply_add = {
    .body = "if (id < c.v[1]) b1(id) = c.v[0] * b0(id) + b1(id);",
    .span_count = 2,
    .constant_words = 2,
    .group_size = 64,
};

// y = a * x + y over `count` words, each buffer from word 0 of its block.
static void add_multiply_add(fixture *f, const fmi_kernel_binary *binary, const fmi_block *x, const fmi_block *y,
                             uint32_t a, uint32_t count)
{
    fmi_span spans[2] = {span_of(x, 0, count * 4, FM_ACCESS_READ), span_of(y, 0, count * 4, FM_ACCESS_READ_WRITE)};
    add_dispatch(f, binary, (count + 63) / 64, spans, 2, (uint32_t[]){a, count}, 2);
}

static const uint32_t *words_of(const fmi_block *block)
{
    return (const uint32_t *)(const void *)block->mapped;
}

static void chain_body(fixture *f)
{
    enum { COUNT = 1000, STEPS = 40 };
    fmi_kernel_binary *binary = fixture_kernel(f, multiply_add);
    fmi_block x = fixture_allocate(f, FM_MEMORY_DEVICE, COUNT * 4);
    fmi_block y = fixture_allocate(f, FM_MEMORY_DEVICE, COUNT * 4);
    fmi_block host = fixture_allocate(f, FM_MEMORY_HOST, COUNT * 4);
    for (uint32_t i = 0; i < COUNT; i++) {
        ((uint32_t *)(void *)host.mapped)[i] = i;
    }
    add_copy(f, &host, 0, &x, 0, COUNT * 4);
    add_fill(f, &y, 0, COUNT * 4, 5);
    end_wave(f);
    uint32_t expected_x = 1; // factors of i
    uint32_t expected_y = 0;
    for (uint32_t step = 0; step < STEPS; step++) {
        // In turn y += 3x and x += 2y, so that every wave needs the one before it.
        add_multiply_add(f, binary, step % 2 ? &y : &x, step % 2 ? &x : &y, step % 2 ? 2 : 3, COUNT);
        end_wave(f);
        expected_y += step % 2 ? 0 : 3 * expected_x;
        expected_x += step % 2 ? 2 * expected_y : 0;
    }
    add_copy(f, &y, 0, &host, 0, COUNT * 4);
    end_wave(f);
    run_batch(f);
    // The 5 grows like the factors of a second unknown: y starts at 5, x at 0.
    uint32_t five_x = 0;
    uint32_t five_y = 5;
    for (uint32_t step = 0; step < STEPS; step++) {
        five_y += step % 2 ? 0 : 3 * five_x;
        five_x += step % 2 ? 2 * five_y : 0;
    }
    for (uint32_t i = 0; i < COUNT; i++) {
        assert_int_equal(words_of(&host)[i], expected_y * i + five_y);
    }
    // One before each wave but the first, one to the host at the end.
    assert_int_equal(f->plan.barriers, STEPS + 1 + 1);
    f->ops->free_block(f->backend, &x);
    f->ops->free_block(f->backend, &y);
    f->ops->free_block(f->backend, &host);
    f->ops->destroy_kernel(f->backend, binary);
}

static void submit_dependent_waves_run_in_order(void **state)
{
    (void)state;
    for_each_variant(chain_body);
}

// Transfers and dispatches take turns over several waves, with bystanders between writer and reader: the order of a pair
// that is not in neighbouring waves must come through the barriers between (LEARNED-13).
static void mixed_body(fixture *f)
{
    enum { COUNT = 256, BYTES = COUNT * 4, ROUNDS = 8 };
    fmi_kernel_binary *binary = fixture_kernel(f, multiply_add);
    fmi_block a = fixture_allocate(f, FM_MEMORY_DEVICE, 4 * BYTES);
    fmi_block b = fixture_allocate(f, FM_MEMORY_DEVICE, BYTES);
    fmi_block other = fixture_allocate(f, FM_MEMORY_DEVICE, BYTES);
    fmi_block host = fixture_allocate(f, FM_MEMORY_HOST, BYTES);
    uint32_t expected = 0;
    add_fill(f, &b, 0, BYTES, 0);
    add_fill(f, &other, 0, BYTES, 1);
    end_wave(f);
    for (uint32_t round = 1; round <= ROUNDS; round++) {
        add_fill(f, &a, 2 * BYTES, BYTES, round);
        end_wave(f);
        add_multiply_add(f, binary, &other, &other, 1, COUNT); // a bystander wave
        end_wave(f);
        add_copy(f, &a, 2 * BYTES, &a, 0, BYTES);
        add_multiply_add(f, binary, &other, &other, 1, COUNT);
        end_wave(f);
        add_fill(f, &a, BYTES, BYTES, 99); // another bystander
        end_wave(f);
        add_multiply_add(f, binary, &a, &b, 7, COUNT);
        end_wave(f);
        expected += 7 * round;
    }
    add_copy(f, &b, 0, &host, 0, BYTES);
    end_wave(f);
    run_batch(f);
    for (uint32_t i = 0; i < COUNT; i++) {
        assert_int_equal(words_of(&host)[i], expected);
    }
    f->ops->free_block(f->backend, &a);
    f->ops->free_block(f->backend, &b);
    f->ops->free_block(f->backend, &other);
    f->ops->free_block(f->backend, &host);
    f->ops->destroy_kernel(f->backend, binary);
}

static void submit_transfers_and_dispatches_in_turn_keep_their_order(void **state)
{
    (void)state;
    for_each_variant(mixed_body);
}

// Many independent dispatches in one wave, each with its own slice and constants: pools, argument buffers and the check for
// "bound already" all get work. More than one pool's sets and more than one argument buffer's bytes.
static void wide_body(fixture *f)
{
    enum { DISPATCHES = 300, SLICE = 64, WORDS = 16 };
    bool indirect = f->variant.indirect;
    kernel_text text = {
        .body = "b0(id) += c.v[0] + c.v[c.v[0] % 2 + 1];",
        .span_count = 1,
        .constant_words = indirect ? 64 * WORDS : WORDS, // 4 KiB: three argument buffers
        .group_size = 64,
    };
    fmi_kernel_binary *binary = fixture_kernel(f, text);
    fmi_block data = fixture_allocate(f, FM_MEMORY_HOST, DISPATCHES * SLICE * 4);
    uint32_t *constants = calloc(text.constant_words, sizeof *constants);
    assert_non_null(constants);
    memset(data.mapped, 0, DISPATCHES * SLICE * 4);
    for (uint32_t wave = 0; wave < 2; wave++) {
        for (uint32_t i = 0; i < DISPATCHES; i++) {
            constants[0] = i;
            constants[1] = 1000;
            constants[2] = 2000;
            fmi_span span = span_of(&data, i * SLICE * 4, SLICE * 4, FM_ACCESS_READ_WRITE);
            add_dispatch(f, binary, 1, &span, 1, constants, text.constant_words)->label = i % 100 < 50 ? "half" : NULL;
        }
        end_wave(f);
    }
    run_batch(f);
    assert_int_equal(f->plan.barriers, 2); // between the waves, and to the host
    for (uint32_t i = 0; i < DISPATCHES * SLICE; i++) {
        uint32_t dispatch = i / SLICE;
        assert_int_equal(words_of(&data)[i], 2 * (dispatch + 1000 + 1000 * (dispatch % 2)));
    }
    free(constants);
    f->ops->free_block(f->backend, &data);
    f->ops->destroy_kernel(f->backend, binary);
}

static void submit_many_dispatches_in_one_wave_each_see_their_own_arguments(void **state)
{
    (void)state;
    for_each_variant(wide_body);
}

static const kernel_text count_groups = {
    .body = "uvec3 at = gl_WorkGroupID + uvec3(c.group_base[0], c.group_base[1], c.group_base[2]);"
            "uint group = (at.z * c.group_count[1] + at.y) * c.group_count[0] + at.x;"
            "atomicAdd(b0(group), c.v[0]);",
    .span_count = 1,
    .constant_words = 1,
    .group_size = 1,
    .wants_group_count = true,
};

// Every group of the dispatch runs exactly once.
static void dispatch_each_group_once(fixture *f, const fmi_kernel_binary *binary, const uint32_t count[3])
{
    uint64_t groups = (uint64_t)count[0] * count[1] * count[2];
    fmi_block data = fixture_allocate(f, FM_MEMORY_HOST, groups * 4);
    memset(data.mapped, 0, groups * 4);
    fmi_span span = span_of(&data, 0, groups * 4, FM_ACCESS_READ_WRITE);
    fmi_command *command = add_dispatch(f, binary, 1, &span, 1, (uint32_t[]){3}, 1);
    memcpy(command->group_count, count, sizeof command->group_count);
    end_wave(f);
    run_batch(f);
    for (uint64_t i = 0; i < groups; i++) {
        assert_int_equal(words_of(&data)[i], 3);
    }
    f->ops->free_block(f->backend, &data);
}

static void split_body(fixture *f)
{
    fmi_kernel_binary *binary = fixture_kernel(f, count_groups);
    // Lower limits than the device's, so that each axis is split and the last part is smaller.
    f->backend->max_group_count[0] = 4;
    f->backend->max_group_count[1] = 3;
    f->backend->max_group_count[2] = 2;
    f->backend->group_count_mask = 1;
    dispatch_each_group_once(f, binary, (const uint32_t[]){4, 3, 2});
    dispatch_each_group_once(f, binary, (const uint32_t[]){9, 3, 1});
    dispatch_each_group_once(f, binary, (const uint32_t[]){1, 8, 2});
    dispatch_each_group_once(f, binary, (const uint32_t[]){9, 7, 5});
    assert_true(f->ops->accepts_group_count(f->backend, binary, (const uint32_t[]){9, 7, 5}));
    f->ops->destroy_kernel(f->backend, binary);
}

static void submit_dispatch_over_the_limit_runs_each_group_once(void **state)
{
    (void)state;
    for_each_variant(split_body);
}

static void over_real_limit_body(fixture *f)
{
    uint32_t limit = f->backend->max_group_count[0];
    if (limit > 1u << 20) {
        print_message("skipped: the device takes more groups than fit here\n");
        return;
    }
    fmi_kernel_binary *binary = fixture_kernel(f, count_groups);
    dispatch_each_group_once(f, binary, (const uint32_t[]){limit + 4000, 1, 1});
    f->ops->destroy_kernel(f->backend, binary);
}

static void submit_dispatch_over_the_devices_own_limit_runs_each_group_once(void **state)
{
    (void)state;
    for_each_variant(over_real_limit_body);
}

// Far more batches than slots, as many in flight as allowed, each adding to what the one before left.
static void ring_body(fixture *f)
{
    enum { BATCHES = 60, COUNT = 128 };
    fmi_kernel_binary *binary = fixture_kernel(f, multiply_add);
    fmi_block x = fixture_allocate(f, FM_MEMORY_DEVICE, COUNT * 4);
    fmi_block y = fixture_allocate(f, FM_MEMORY_HOST, COUNT * 4);
    add_fill(f, &x, 0, COUNT * 4, 1);
    add_fill(f, &y, 0, COUNT * 4, 0);
    end_wave(f);
    run_batch(f);
    fmi_command *pending[IN_FLIGHT] = {NULL}; // a batch and all it points to stays until it is done
    uint32_t expected = 0;
    for (uint32_t batch = 0; batch < BATCHES; batch++) {
        if (f->value >= IN_FLIGHT) {
            must(wait_value(f, f->value - IN_FLIGHT + 1, LONG_NS));
        }
        free(pending[batch % IN_FLIGHT]);
        add_multiply_add(f, binary, &x, &y, batch, COUNT);
        end_wave(f);
        must(submit(f, true));
        assert_int_equal(f->plan.barriers, 2); // at the start, and to the host
        pending[batch % IN_FLIGHT] = f->commands[0];
        f->command_count = 0;
        f->wave_count = 0;
        expected += batch;
    }
    must(wait_value(f, f->value, LONG_NS));
    for (uint32_t i = 0; i < IN_FLIGHT; i++) {
        free(pending[i]);
    }
    for (uint32_t i = 0; i < COUNT; i++) {
        assert_int_equal(words_of(&y)[i], expected);
    }
    f->ops->free_block(f->backend, &x);
    f->ops->free_block(f->backend, &y);
    f->ops->destroy_kernel(f->backend, binary);
}

static void submit_more_batches_than_slots_wraps_around(void **state)
{
    (void)state;
    for_each_variant(ring_body);
}

// Copies at odd offsets and of odd lengths, fills of parts: every byte is where it should be, and no other.
static void submit_odd_ranges_touch_exactly_their_bytes(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, (test_variant){.mode = FM_BINDING_AUTO});
    enum { BYTES = 256 };
    fmi_block from = fixture_allocate(&f, FM_MEMORY_HOST, BYTES);
    fmi_block to = fixture_allocate(&f, FM_MEMORY_DEVICE, BYTES);
    fmi_block back = fixture_allocate(&f, FM_MEMORY_HOST, BYTES);
    for (uint32_t i = 0; i < BYTES; i++) {
        from.mapped[i] = (uint8_t)(i * 7 + 1);
    }
    add_fill(&f, &to, 0, BYTES, 0);
    end_wave(&f);
    add_copy(&f, &from, 3, &to, 17, 41);
    add_fill(&f, &to, 100, 12, 0x04030201);
    end_wave(&f);
    add_copy(&f, &to, 0, &back, 0, BYTES);
    end_wave(&f);
    run_batch(&f);
    for (uint32_t i = 0; i < BYTES; i++) {
        uint8_t expected = i >= 17 && i < 58 ? from.mapped[i - 14] : i >= 100 && i < 112 ? (uint8_t)(i % 4 + 1) : 0;
        assert_int_equal(back.mapped[i], expected);
    }
    f.ops->free_block(f.backend, &from);
    f.ops->free_block(f.backend, &to);
    f.ops->free_block(f.backend, &back);
    fixture_close(&f);
}

static void submit_empty_batch_completes(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, (test_variant){.mode = FM_BINDING_AUTO});
    f.backend->maps_all_memory = true;
    run_batch(&f);
    assert_int_equal(f.plan.barriers, 0);
    fixture_close(&f);
}

// A timed batch says how long its waves took, as many of them as are timed.
static void submit_timed_batch_gives_the_durations_of_its_waves(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, (test_variant){.mode = FM_BINDING_AUTO});
    enum { BYTES = 1 << 20, WAVES = FMI_TIMED_WAVES + 3 };
    fmi_block block = fixture_allocate(&f, FM_MEMORY_DEVICE, BYTES);
    for (uint32_t i = 0; i < WAVES; i++) {
        add_fill(&f, &block, 0, i == 1 ? BYTES : 4, i);
        end_wave(&f);
    }
    uint32_t times[FMI_TIMED_WAVES] = {0};
    f.wave_ns = times;
    run_batch(&f);
    f.ops->read_times(f.backend, &f.plan);
    if (f.backend->timestamp_mask) {
        assert_true(times[1] > 0);
    } else {
        assert_int_equal(times[1], 0);
    }
    f.ops->free_block(f.backend, &block);
    fixture_close(&f);
}

// What the host has seen complete needs no barrier in the next batch.
static void after_wait_body(fixture *f)
{
    enum { COUNT = 64 };
    fmi_kernel_binary *binary = fixture_kernel(f, multiply_add);
    fmi_block x = fixture_allocate(f, FM_MEMORY_DEVICE, COUNT * 4);
    fmi_block y = fixture_allocate(f, FM_MEMORY_DEVICE, COUNT * 4);
    fmi_block host = fixture_allocate(f, FM_MEMORY_HOST, COUNT * 4);
    add_fill(f, &x, 0, COUNT * 4, 2);
    add_fill(f, &y, 0, COUNT * 4, 1);
    end_wave(f);
    run_batch(f);
    for (uint32_t i = 0; i < 3; i++) {
        add_multiply_add(f, binary, &x, &y, 5, COUNT);
        end_wave(f);
        run_batch(f);
        assert_int_equal(f->plan.barriers, f->backend->maps_all_memory);
        f->backend->maps_all_memory = true; // as on an integrated GPU, from the second batch on
    }
    add_copy(f, &y, 0, &host, 0, COUNT * 4);
    end_wave(f);
    run_batch(f);
    for (uint32_t i = 0; i < COUNT; i++) {
        assert_int_equal(words_of(&host)[i], 1 + 3 * 10);
    }
    f->ops->free_block(f->backend, &x);
    f->ops->free_block(f->backend, &y);
    f->ops->free_block(f->backend, &host);
    f->ops->destroy_kernel(f->backend, binary);
}

static void submit_after_waiting_needs_no_barrier(void **state)
{
    (void)state;
    for_each_variant(after_wait_body);
}

// LEARNED-8: a submit that fails while it encodes leaves nothing behind, and the same value comes again.
static void submit_out_of_argument_memory_fails_and_may_be_repeated(void **state)
{
    (void)state;
    enum { COUNT = 64 };
    fixture f;
    fixture_open(&f, (test_variant){.mode = FM_BINDING_DESCRIPTORS, .indirect = true});
    fmi_kernel_binary *binary = fixture_kernel(&f, multiply_add);
    fmi_block x = fixture_allocate(&f, FM_MEMORY_HOST, COUNT * 4);
    fmi_block y = fixture_allocate(&f, FM_MEMORY_HOST, COUNT * 4);
    memset(x.mapped, 0, COUNT * 4);
    memset(y.mapped, 0, COUNT * 4);
    add_fill(&f, &x, 0, COUNT * 4, 7);
    end_wave(&f);
    add_multiply_add(&f, binary, &x, &y, 3, COUNT);
    end_wave(&f);
    uint64_t max_block_bytes = f.backend->max_block_bytes;
    f.backend->max_block_bytes = 16;
    for (uint32_t i = 0; i < 10; i++) {
        assert_int_equal(submit(&f, false), FM_ERROR_OUT_OF_MEMORY);
    }
    assert_int_equal(words_of(&x)[0], 0);
    f.backend->max_block_bytes = max_block_bytes;
    run_batch(&f);
    assert_int_equal(f.value, 1);
    for (uint32_t i = 0; i < COUNT; i++) {
        assert_int_equal(words_of(&y)[i], 21);
    }
    f.ops->free_block(f.backend, &x);
    f.ops->free_block(f.backend, &y);
    f.ops->destroy_kernel(f.backend, binary);
    fixture_close(&f);
}

// Two kernels in turn in one wave, with the same and with other spans: what is bound for one is not taken for the other.
static void alternate_body(fixture *f)
{
    enum { COUNT = 64 };
    fmi_kernel_binary *add = fixture_kernel(f, multiply_add);
    fmi_kernel_binary *bump =
        fixture_kernel(f, (kernel_text){.body = "b0(id) += 1000;", .span_count = 1, .group_size = 64});
    fmi_block x = fixture_allocate(f, FM_MEMORY_HOST, COUNT * 4);
    fmi_block y[3];
    for (uint32_t i = 0; i < 3; i++) {
        y[i] = fixture_allocate(f, FM_MEMORY_HOST, COUNT * 4);
        memset(y[i].mapped, 0, COUNT * 4);
    }
    for (uint32_t i = 0; i < COUNT; i++) {
        ((uint32_t *)(void *)x.mapped)[i] = 1;
    }
    for (uint32_t round = 0; round < 4; round++) {
        // No constants, and no arguments at all with descriptors.
        fmi_span span = span_of(&y[2], 0, COUNT * 4, FM_ACCESS_READ_WRITE);
        add_multiply_add(f, add, &x, &y[0], 1, COUNT);
        add_multiply_add(f, add, &x, &y[1], 10, COUNT);
        if (!f->variant.indirect || f->variant.mode == FM_BINDING_ADDRESSES) {
            add_dispatch(f, bump, 1, &span, 1, NULL, 0);
        }
        end_wave(f);
    }
    run_batch(f);
    for (uint32_t i = 0; i < COUNT; i++) {
        assert_int_equal(words_of(&y[0])[i], 4);
        assert_int_equal(words_of(&y[1])[i], 40);
        assert_int_equal(words_of(&y[2])[i], f->variant.indirect && f->variant.mode != FM_BINDING_ADDRESSES ? 0 : 4000);
    }
    f->ops->free_block(f->backend, &x);
    for (uint32_t i = 0; i < 3; i++) {
        f->ops->free_block(f->backend, &y[i]);
    }
    f->ops->destroy_kernel(f->backend, add);
    f->ops->destroy_kernel(f->backend, bump);
}

static void submit_kernels_in_turn_get_their_own_bindings(void **state)
{
    (void)state;
    for_each_variant(alternate_body);
}

int main(void)
{
    skip_without_device();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(submit_dependent_waves_run_in_order),
        cmocka_unit_test(submit_transfers_and_dispatches_in_turn_keep_their_order),
        cmocka_unit_test(submit_many_dispatches_in_one_wave_each_see_their_own_arguments),
        cmocka_unit_test(submit_dispatch_over_the_limit_runs_each_group_once),
        cmocka_unit_test(submit_dispatch_over_the_devices_own_limit_runs_each_group_once),
        cmocka_unit_test(submit_more_batches_than_slots_wraps_around),
        cmocka_unit_test(submit_odd_ranges_touch_exactly_their_bytes),
        cmocka_unit_test(submit_empty_batch_completes),
        cmocka_unit_test(submit_timed_batch_gives_the_durations_of_its_waves),
        cmocka_unit_test(submit_after_waiting_needs_no_barrier),
        cmocka_unit_test(submit_out_of_argument_memory_fails_and_may_be_repeated),
        cmocka_unit_test(submit_kernels_in_turn_get_their_own_bindings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
