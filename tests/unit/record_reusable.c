// What a reusable list holds of kernel variants: what its copies run, until the last of them is done (KEY-3), and each variant once, however
// often it is patched while the cache lets variants go. Runs on a fake backend that counts binaries: only recording happens.
#include "record/reusable.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct fmi_backend {
    uint32_t alive; // binaries
};

struct fmi_kernel_binary {
    fmi_cost cost;
};

static fm_status allocate(fmi_backend *backend, fm_memory_kind kind, uint64_t size_bytes, fmi_block *out)
{
    (void)backend;
    void *memory = malloc((size_t)size_bytes);
    *out = (fmi_block){.native = memory, .mapped = memory, .size_bytes = size_bytes, .kind = kind};
    return memory ? FM_OK : FM_ERROR_OUT_OF_MEMORY;
}

static void release_block(fmi_backend *backend, fmi_block *block)
{
    (void)backend;
    free(block->native);
}

static fm_status create_kernel(fmi_backend *backend, const fmi_kernel_code *code, fmi_kernel_binary **out,
                               fmi_text *log)
{
    (void)code;
    (void)log;
    *out = calloc(1, sizeof **out);
    backend->alive++;
    return *out ? FM_OK : FM_ERROR_OUT_OF_HOST_MEMORY;
}

static void destroy_kernel(fmi_backend *backend, fmi_kernel_binary *binary)
{
    backend->alive--;
    free(binary);
}

static const fmi_backend_ops ops = {.prefix = "fake",
                                    .allocate_block = allocate,
                                    .free_block = release_block,
                                    .create_kernel = create_kernel,
                                    .destroy_kernel = destroy_kernel};

// A cache for one variant, a kernel that takes its dtype from the binding, and a buffer.
typedef struct fixture {
    fmi_backend backend;
    fmi_backend_caps caps;
    fmi_pool pool;
    fmi_table buffers;
    fmi_table kernels;
    fmi_cache cache;
    fmi_record_room room;
    fm_kernel kernel;
    fm_buffer buffer;
} fixture;

static void free_kernel(void *user, fmi_slot *slot)
{
    (void)user;
    fmi_kernel_destroy(((fmi_kernel_object *)slot)->kernel);
}

static fm_kernel make_kernel(fixture *f, const char *name, const char *body)
{
    const fm_kernel_param param = {"x", FM_DTYPE_NONE, FM_ACCESS_WRITE};
    const fm_kernel_info info = {.name = name, .code = body, .params = &param, .param_count = 1};
    fmi_kernel_object *object = (fmi_kernel_object *)fmi_table_reserve(&f->kernels);
    assert_non_null(object);
    assert_int_equal(fmi_kernel_create(&f->cache, &info, &object->kernel), FM_OK);
    return (fm_kernel){fmi_table_publish(&f->kernels, &object->slot)};
}

static void set_up(fixture *f)
{
    memset(f, 0, sizeof *f);
    f->caps = (fmi_backend_caps){.description = "fake",
                                 .max_block_bytes = (uint64_t)1 << 40,
                                 .binding_alignment_bytes = 16,
                                 .max_group_size = {64, 64, 64},
                                 .max_group_invocations = 64,
                                 .group_count_mask = UINT32_MAX,
                                 .dtype_mask = 1u << FM_DTYPE_F32 | 1u << FM_DTYPE_I32 | 1u << FM_DTYPE_U32};
    const fmi_pool_settings settings = {
        .limit_bytes = (uint64_t)1 << 34, .cache_bytes = 1 << 20, .block_size_bytes = 1 << 20};
    const fmi_cache_info cache = {
        .ops = &ops, .backend = &f->backend, .caps = &f->caps, .limit_count = 1, .limit_bytes = 1 << 20, .tag = 1};
    fmi_pool_init(&f->pool, &ops, &f->backend, &f->caps, &settings);
    assert_int_equal(fmi_table_init(&f->buffers, sizeof(fmi_buffer), "buffer", 1, 1, fmi_buffer_free, &f->pool), FM_OK);
    assert_int_equal(fmi_table_init(&f->kernels, sizeof(fmi_kernel_object), "kernel", 1, 2, free_kernel, NULL), FM_OK);
    assert_int_equal(fmi_table_share(&f->kernels), FM_OK);
    assert_int_equal(fmi_cache_init(&f->cache, &cache), FM_OK);
    f->room = (fmi_record_room){.buffers = &f->buffers,
                                .kernels = &f->kernels,
                                .cache = &f->cache,
                                .pool = &f->pool,
                                .ops = &ops,
                                .backend = &f->backend,
                                .caps = &f->caps};
    fmi_record_room_init(&f->room);
    fmi_buffer *buffer;
    assert_int_equal(fmi_buffer_create(&f->buffers, &f->pool, FM_MEMORY_DEVICE, 256, UINT64_MAX, &f->buffer.id,
                                       &buffer),
                     FM_OK);
    f->kernel = make_kernel(f, "k", "x[global_id.x] = 1;");
}

static void tear_down(fixture *f)
{
    assert_int_equal(f->backend.alive, 1); // the cache's: every list has let go
    assert_int_equal(fmi_buffer_destroy(&f->buffers, &f->pool, f->buffer.id), FM_OK);
    fmi_record_room_destroy(&f->room);
    fmi_table_destroy(&f->kernels);
    fmi_cache_destroy(&f->cache);
    assert_int_equal(f->backend.alive, 0);
    fmi_table_destroy(&f->buffers);
    fmi_pool_destroy(&f->pool);
}

static fm_commands *begin(fixture *f, uint32_t flags)
{
    fm_commands *commands;
    assert_int_equal(fmi_recorder_begin(&f->room, &(fm_commands_info){.flags = flags}, &commands), FM_OK);
    return commands;
}

static fm_dispatch_info dispatch_info(fm_kernel kernel, fm_binding *binding)
{
    return (fm_dispatch_info){.kernel = kernel, .group_count = {1, 1, 1}, .bindings = binding, .binding_count = 1};
}

static void record(fixture *f, fm_commands *commands, fm_dtype dtype)
{
    fm_binding binding = {.buffer = f->buffer, .dtype = dtype};
    const fm_dispatch_info info = dispatch_info(f->kernel, &binding);
    assert_int_equal(fm_dispatch(commands, &info), FM_OK);
}

static void patch(fixture *f, fm_commands *commands, fm_dtype dtype)
{
    fm_binding binding = {.buffer = f->buffer, .dtype = dtype};
    const fm_dispatch_info info = dispatch_info(f->kernel, &binding);
    assert_int_equal(fm_patch(commands, 0, &info), FM_OK);
}

// Has another variant take the cache's only place.
static void evict(fixture *f, fm_dtype dtype)
{
    fm_commands *commands = begin(f, 0);
    record(f, commands, dtype);
    fmi_record_drop_list(&f->room, fmi_recorder_finish(commands));
}

static fmi_list *copy_of(fm_commands *commands)
{
    fmi_list *copy = NULL;
    assert_int_equal(fmi_recorder_enter(commands, "copy"), FM_OK);
    assert_int_equal(fmi_reusable_copy(commands, &copy), FM_OK);
    fmi_recorder_leave(commands, FM_OK);
    return copy;
}

static void reusable_holds_its_variants_until_the_last_copy_is_done_key_3(void **state)
{
    (void)state;
    // The list, and its copies, in every order of their ends.
    static const int orders[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    for (int o = 0; o < 6; o++) {
        fixture f;
        set_up(&f);
        fm_commands *commands = begin(&f, FM_COMMANDS_REUSABLE);
        record(&f, commands, FM_DTYPE_F32);
        fmi_list *first = copy_of(commands);
        evict(&f, FM_DTYPE_I32);
        assert_int_equal(f.backend.alive, 2);
        fmi_list *second = copy_of(commands);
        for (int step = 0; step < 3; step++) {
            assert_int_equal(f.backend.alive, 2);
            int which = orders[o][step];
            fmi_record_drop_list(&f.room, which == 0 ? fmi_recorder_finish(commands) : which == 1 ? first : second);
        }
        tear_down(&f);
    }
}

// What is evicted again and again, and patched in again and again, is held once.
static void reusable_patched_under_eviction_holds_each_variant_once_key_3(void **state)
{
    (void)state;
    fixture f;
    set_up(&f);
    fm_commands *commands = begin(&f, FM_COMMANDS_REUSABLE);
    record(&f, commands, FM_DTYPE_F32);
    const fmi_kernel_binary *floats = commands->list->first->binary;
    for (int round = 0; round < 50; round++) {
        patch(&f, commands, FM_DTYPE_I32);
        assert_ptr_not_equal(commands->list->first->binary, floats);
        evict(&f, FM_DTYPE_U32);
        fmi_list *copy = copy_of(commands);
        patch(&f, commands, FM_DTYPE_F32);
        assert_ptr_equal(commands->list->first->binary, floats);
        evict(&f, FM_DTYPE_U32);
        assert_int_equal(f.backend.alive, 3); // the list's two, and the cache's one
        fmi_record_drop_list(&f.room, copy);
    }
    fmi_record_drop_list(&f.room, fmi_recorder_finish(commands));
    tear_down(&f);
}

static void *begin_with_floats(void *context)
{
    fm_commands *commands = begin(context, FM_COMMANDS_REUSABLE);
    record(context, commands, FM_DTYPE_F32);
    return commands;
}

static void *make_integers(void *context)
{
    evict(context, FM_DTYPE_I32);
    return NULL;
}

static void *on_another_thread(void *(*work)(void *), fixture *f)
{
    pthread_t thread;
    void *result;
    assert_int_equal(pthread_create(&thread, NULL, work, f), 0);
    pthread_join(thread, &result);
    return result;
}

// A list's holds go by the share of the thread that began it: what another thread patches into it stays held as long as the list, and no share
// believes afterwards that it still holds what it does not.
static void reusable_patched_by_another_thread_holds_its_variants_key_3(void **state)
{
    (void)state;
    fixture f;
    set_up(&f);
    fm_commands *commands = on_another_thread(begin_with_floats, &f);
    evict(&f, FM_DTYPE_I32); // so that the patch finds it
    patch(&f, commands, FM_DTYPE_I32);
    evict(&f, FM_DTYPE_U32);
    assert_int_equal(f.backend.alive, 3); // the list's two, and the cache's one
    fmi_record_drop_list(&f.room, fmi_recorder_finish(commands));
    assert_int_equal(f.backend.alive, 1);
    on_another_thread(make_integers, &f); // in the slot of the one that has gone
    commands = begin(&f, 0);
    record(&f, commands, FM_DTYPE_I32);
    evict(&f, FM_DTYPE_U32);
    assert_int_equal(f.backend.alive, 2);
    fmi_record_drop_list(&f.room, fmi_recorder_finish(commands));
    tear_down(&f);
}

// A dispatch that is recorded after a commit is looked up anew: the stamps of before are void, although the list is the same.
static void reusable_recorded_after_a_commit_holds_what_it_uses_key_3(void **state)
{
    (void)state;
    fixture f;
    set_up(&f);
    fm_commands *commands = begin(&f, FM_COMMANDS_REUSABLE);
    record(&f, commands, FM_DTYPE_F32);
    fmi_list *first = copy_of(commands);
    fm_kernel gone = f.kernel;
    assert_int_equal(fmi_table_kill(&f.kernels, gone.id), FM_OK);
    fmi_record_drop_list(&f.room, first);                   // now its slot is free
    f.kernel = make_kernel(&f, "k", "x[global_id.x] = 2;"); // and taken
    record(&f, commands, FM_DTYPE_F32);
    assert_ptr_not_equal(commands->list->last->binary, commands->list->first->binary);
    fmi_record_drop_list(&f.room, fmi_recorder_finish(commands));
    tear_down(&f);
}

// A patch that is refused lets go of the variant that it had found.
static void reusable_refused_patch_holds_nothing(void **state)
{
    (void)state;
    fixture f;
    set_up(&f);
    fm_commands *commands = begin(&f, FM_COMMANDS_REUSABLE);
    record(&f, commands, FM_DTYPE_F32);
    fm_binding binding = {.buffer = {f.buffer.id + 2}, .dtype = FM_DTYPE_I32};
    const fm_dispatch_info info = dispatch_info(f.kernel, &binding);
    assert_int_not_equal(fm_patch(commands, 0, &info), FM_OK);
    evict(&f, FM_DTYPE_U32);
    assert_int_equal(f.backend.alive, 2);
    patch(&f, commands, FM_DTYPE_I32);
    assert_int_equal(f.backend.alive, 2); // held by the list and kept by the cache: floats and ints
    fmi_record_drop_list(&f.room, fmi_recorder_finish(commands));
    tear_down(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reusable_holds_its_variants_until_the_last_copy_is_done_key_3),
        cmocka_unit_test(reusable_patched_under_eviction_holds_each_variant_once_key_3),
        cmocka_unit_test(reusable_patched_by_another_thread_holds_its_variants_key_3),
        cmocka_unit_test(reusable_recorded_after_a_commit_holds_what_it_uses_key_3),
        cmocka_unit_test(reusable_refused_patch_holds_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
