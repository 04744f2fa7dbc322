// Kernel objects on a backend of this test's own: what is checked, what the backend is given, and how variants are found
// and made. The backend can hold a compile half-way, so that what other threads do meanwhile is a matter of order, not of luck.
#include "kernel_fixture.h"

#include "base/error.h"
#include "base/text.h"
#include "kernel/kernel.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

// The backend: it notes the last code that it was given, and can fail, or wait in the middle of a compile.
struct fmi_backend {
    fmi_backend_caps caps;
    fmi_cache cache;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    fmi_kernel_code last;
    char *last_c;
    int created;
    int destroyed;
    int inside;        // compiles under way now
    const char *held;  // a compile whose C source contains this waits until it is NULL
    fm_status failure; // what create_kernel answers
    const char *log;
};

struct fmi_kernel_binary {
    int number;
};

static bool is_c(const fmi_backend *backend, const fmi_kernel_code *code)
{
    return code->code && backend->caps.code_kind == FMI_CODE_C;
}

static fm_status create_kernel(fmi_backend *backend, const fmi_kernel_code *code, fmi_kernel_binary **out,
                               fmi_text *log)
{
    pthread_mutex_lock(&backend->lock);
    backend->inside++;
    pthread_cond_broadcast(&backend->changed);
    while (backend->held && is_c(backend, code) && strstr(code->code, backend->held)) {
        pthread_cond_wait(&backend->changed, &backend->lock);
    }
    backend->inside--;
    backend->last = *code;
    free(backend->last_c);
    backend->last_c = is_c(backend, code) ? strdup(code->code) : NULL;
    fm_status status = backend->failure;
    if (status == FM_OK) {
        *out = malloc(sizeof **out);
        (*out)->number = backend->created++;
    } else {
        fmi_fail(status, "the device refuses it");
        fmi_text_format(log, "%s", backend->log ? backend->log : "");
    }
    pthread_mutex_unlock(&backend->lock);
    return status;
}

static void destroy_kernel(fmi_backend *backend, fmi_kernel_binary *binary)
{
    backend->destroyed++;
    free(binary);
}

static const fmi_backend_ops ops = {.prefix = "test", .create_kernel = create_kernel, .destroy_kernel = destroy_kernel};

// An empty cache, so that the next kernel is compiled whatever was compiled before.
static void open_cache(fmi_backend *backend)
{
    const fmi_cache_info info = {
        .ops = &ops, .backend = backend, .caps = &backend->caps, .limit_count = 100, .limit_bytes = 1 << 20, .tag = 1};
    assert_int_equal(fmi_cache_init(&backend->cache, &info), FM_OK);
}

static void empty_cache(fmi_backend *backend)
{
    fmi_cache_destroy(&backend->cache);
    open_cache(backend);
}

static void open_backend(fmi_backend *backend, bool takes_spirv)
{
    *backend = (fmi_backend){.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
    backend->caps = (fmi_backend_caps){.description = "tester",
                                       .max_group_size = {128, 128, 64},
                                       .max_group_invocations = 256,
                                       .max_push_constants_bytes = 128,
                                       .dtype_mask = 1u << FM_DTYPE_F32 | 1u << FM_DTYPE_F16 | 1u << FM_DTYPE_I32 |
                                                     1u << FM_DTYPE_U32,
                                       .binding_mode = FM_BINDING_ADDRESSES,
                                       .code_kind = takes_spirv ? FMI_CODE_SPIRV : FMI_CODE_C,
                                       .takes_host_functions = !takes_spirv,
                                       .max_shared_bytes = takes_spirv ? 32768 : 0};
    open_cache(backend);
}

static void close_backend(fmi_backend *backend)
{
    fmi_cache_destroy(&backend->cache);
    assert_int_equal(backend->created, backend->destroyed);
    free(backend->last_c);
}

static const fm_kernel_param two[] = {{"x", FM_DTYPE_F32, FM_ACCESS_READ}, {"y", FM_DTYPE_F32, FM_ACCESS_READ_WRITE}};
static const fm_kernel_param untyped[] = {{"x", FM_DTYPE_NONE, FM_ACCESS_READ},
                                          {"y", FM_DTYPE_F32, FM_ACCESS_READ_WRITE}};
static const fm_kernel_constant some[] = {{"a", FM_DTYPE_F32}, {"n", FM_DTYPE_U32}};

static fm_kernel_info portable(const char *body)
{
    return (fm_kernel_info){
        .name = "k", .code = body, .params = two, .param_count = 2, .constants = some, .constant_count = 2};
}

static void refuse(fmi_backend *backend, const fm_kernel_info *info, fm_status status, const char *part)
{
    fmi_kernel *kernel = NULL;
    empty_cache(backend);
    fm_status answer = fmi_kernel_create(&backend->cache, info, &kernel);
    if (answer != status || strncmp(fm_last_error(), "fm_kernel_create: ", 18) != 0 || !strstr(fm_last_error(), part)) {
        fail_msg("%s: %s", fm_status_name(answer), fm_last_error());
    }
}

// Creates a kernel that finds nothing of an earlier one in the cache.
static fmi_kernel *create(fmi_backend *backend, const fm_kernel_info *info)
{
    fmi_kernel *kernel = NULL;
    empty_cache(backend);
    if (fmi_kernel_create(&backend->cache, info, &kernel) != FM_OK) {
        fail_msg("%s", fm_last_error());
    }
    return kernel;
}

static void create_portable_kernel_gives_the_backend_its_code(void **state)
{
    (void)state;
    fmi_backend backend;
    open_backend(&backend, false);
    fm_kernel_info info = portable("y[global_id.x] = a * x[global_id.x]; trailing bytes");
    info.code_size_bytes = strlen("y[global_id.x] = a * x[global_id.x];");
    fmi_kernel *kernel = create(&backend, &info);
    assert_int_equal(backend.created, 1);
    assert_non_null(strstr(backend.last_c, "fm_kernel_main"));
    assert_null(strstr(backend.last_c, "trailing"));
    assert_int_equal(backend.last.span_count, 2);
    assert_int_equal(backend.last.constants_size_bytes, 8);
    assert_int_equal(backend.last.group_size[0], 64);
    assert_int_equal(kernel->param_count, 2);
    assert_int_equal(kernel->constants_size_bytes, 8);
    assert_int_equal(kernel->fixed_dtypes, 0x11);
    assert_true(kernel->dtypes_are_fixed);
    assert_true(kernel->most_binding_bytes == UINT64_MAX);
    assert_int_equal(kernel->access[1], FM_ACCESS_READ_WRITE);
    fmi_kernel_destroy(kernel);
    close_backend(&backend);
}

static fm_status answer(const fm_host_call *call)
{
    (void)call;
    return FM_OK;
}

static void create_host_function_gives_the_backend_the_pointer(void **state)
{
    (void)state;
    fmi_backend backend;
    open_backend(&backend, false);
    int user = 0;
    const fm_kernel_info info = {.name = "k",
                                 .language = FM_KERNEL_HOST_FUNCTION,
                                 .params = untyped,
                                 .param_count = 2,
                                 .constants_size_bytes = 20,
                                 .host_function = answer,
                                 .user = &user};
    fmi_kernel *kernel = create(&backend, &info);
    assert_true(backend.last.host_function == answer);
    assert_ptr_equal(backend.last.user, &user);
    assert_true(kernel->dtypes_are_fixed);
    assert_int_equal(kernel->fixed_dtypes, 0);
    fmi_variant *variant = NULL;
    assert_int_equal(fmi_kernel_hold_variant(kernel, 0, FMI_NO_SHARE, "fm_dispatch", &variant, NULL), FM_OK);
    assert_int_equal(backend.created, 1);
    fmi_kernel_destroy(kernel);
    close_backend(&backend);
}

static void create_wrong_name_is_refused(void **state)
{
    (void)state;
    fmi_backend backend;
    open_backend(&backend, false);
    static const struct {
        const char *name;
        const char *part;
    } cases[] = {{NULL, "parameter 0 has no name"},
                 {"", "no identifier"},
                 {"2x", "no identifier"},
                 {"a-b", "no identifier"},
                 {"fm_x", "reserved"},
                 {"gl_x", "reserved"},
                 {"float", "kernel language"},
                 {"global_id", "kernel language"},
                 {"atomic_add", "kernel language"},
                 {"double", "kernel language"},
                 {"y", "'y' is given twice"},
                 {"a", "'a' is given twice"}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        const fm_kernel_param params[] = {{cases[i].name, FM_DTYPE_F32, FM_ACCESS_READ}, two[1]};
        fm_kernel_info info = portable("");
        info.params = params;
        refuse(&backend, &info, FM_ERROR_INVALID_ARGUMENT, cases[i].part);
    }
    char name[80] = {0};
    memset(name, 'n', sizeof name - 1);
    const fm_kernel_constant constants[] = {{name, FM_DTYPE_F32}, {"n", FM_DTYPE_U32}};
    fm_kernel_info info = portable("");
    info.constants = constants;
    refuse(&backend, &info, FM_ERROR_INVALID_ARGUMENT, "longer than 64");
    info = portable("");
    info.name = "";
    refuse(&backend, &info, FM_ERROR_INVALID_ARGUMENT, "no name");
    close_backend(&backend);
}

static void create_wrong_number_is_refused(void **state)
{
    (void)state;
    fmi_backend backend;
    open_backend(&backend, false);
    fm_kernel_info info = portable("");
    info.param_count = 17;
    refuse(&backend, &info, FM_ERROR_INVALID_ARGUMENT, "17 parameters");
    info = portable("");
    info.params = NULL;
    refuse(&backend, &info, FM_ERROR_INVALID_ARGUMENT, "params is NULL");
    info = portable("");
    info.constant_count = 1025;
    refuse(&backend, &info, FM_ERROR_INVALID_ARGUMENT, "4096 bytes");
    info = portable("");
    info.language = (fm_kernel_language)9;
    refuse(&backend, &info, FM_ERROR_INVALID_ARGUMENT, "language 9");
    static const uint32_t sizes[][3] = {{0, 1, 1}, {64, 0, 0}, {129, 1, 1}, {1, 1, 65}, {16, 16, 2}};
    for (size_t i = 0; i < COUNT(sizes); i++) {
        info = portable("");
        memcpy(info.group_size, sizes[i], sizeof info.group_size);
        refuse(&backend, &info, FM_ERROR_INVALID_ARGUMENT, i == 4 ? "16 × 16 × 2" : "group_size[");
    }
    const fm_kernel_param accesses[] = {{"x", FM_DTYPE_F32, (fm_access)0}, two[1]};
    info = portable("");
    info.params = accesses;
    refuse(&backend, &info, FM_ERROR_INVALID_ARGUMENT, "access 0");
    const fm_kernel_constant constants[] = {{"a", FM_DTYPE_F16}, {"n", FM_DTYPE_U32}};
    info = portable("");
    info.constants = constants;
    refuse(&backend, &info, FM_ERROR_INVALID_ARGUMENT, "constant 'a' must be");
    info = portable("a\0b");
    info.code_size_bytes = 3;
    refuse(&backend, &info, FM_ERROR_INVALID_ARGUMENT, "zero byte");
    info = portable(NULL);
    refuse(&backend, &info, FM_ERROR_INVALID_ARGUMENT, "no code");
    close_backend(&backend);
}

static void create_what_the_device_lacks_is_refused(void **state)
{
    (void)state;
    fmi_backend host, gpu;
    open_backend(&host, false);
    open_backend(&gpu, true);
    const fm_kernel_shared shared[] = {{"s", FM_DTYPE_F32, 16}};
    fm_kernel_info info = portable("");
    info.shared = shared;
    info.shared_count = 1;
    refuse(&host, &info, FM_ERROR_UNSUPPORTED, "workgroup-shared arrays");
    info = portable("barrier();");
    refuse(&host, &info, FM_ERROR_UNSUPPORTED, "barrier()");
    const fm_kernel_param params[] = {{"x", FM_DTYPE_I8, FM_ACCESS_READ}, two[1]};
    info = portable("");
    info.params = params;
    refuse(&host, &info, FM_ERROR_UNSUPPORTED, "'x' is int8, which device 'tester' does not offer");
    info = portable("double d = 1.0;");
    refuse(&host, &info, FM_ERROR_UNSUPPORTED, "its text uses double; device 'tester' does not offer 64-bit floats");
    info = portable("atomic_add(y[0], 1.0);");
    refuse(&host, &info, FM_ERROR_UNSUPPORTED, "device 'tester' does not offer that (shaderBufferFloat32AtomicAdd)");
    const fm_kernel_special special = {"S", FM_DTYPE_F64, 1};
    info = portable("");
    info.specials = &special;
    info.special_count = 1;
    refuse(&host, &info, FM_ERROR_UNSUPPORTED, "'S' is double, which device 'tester' does not offer");
    info = (fm_kernel_info){.name = "k", .language = FM_KERNEL_GLSL, .code = "void main() {}"};
    refuse(&host, &info, FM_ERROR_UNSUPPORTED, "given as GLSL");
    info.language = FM_KERNEL_SPIRV;
    refuse(&host, &info, FM_ERROR_UNSUPPORTED, "given as SPIR-V");
    info = (fm_kernel_info){.name = "k", .language = FM_KERNEL_HOST_FUNCTION, .host_function = answer};
    refuse(&gpu, &info, FM_ERROR_UNSUPPORTED, "host functions");
    close_backend(&host);
    close_backend(&gpu);
}

static void create_field_that_the_language_does_not_use_is_refused(void **state)
{
    (void)state;
    fmi_backend backend;
    open_backend(&backend, true);
    fm_kernel_info info = portable("");
    info.user = &backend;
    refuse(&backend, &info, FM_ERROR_INVALID_ARGUMENT, "'user'");
    info = portable("");
    info.constants_size_bytes = 8;
    refuse(&backend, &info, FM_ERROR_INVALID_ARGUMENT, "'constants_size_bytes'");
    info = portable("");
    info.language = FM_KERNEL_GLSL;
    refuse(&backend, &info, FM_ERROR_INVALID_ARGUMENT, "'params'");
    info = (fm_kernel_info){
        .name = "k", .language = FM_KERNEL_SPIRV, .code = "", .code_size_bytes = 4, .group_size = {1, 1, 1}};
    refuse(&backend, &info, FM_ERROR_INVALID_ARGUMENT, "'group_size'");
    info = (fm_kernel_info){.name = "k", .language = FM_KERNEL_HOST_FUNCTION, .host_function = answer, .code = "x"};
    refuse(&backend, &info, FM_ERROR_INVALID_ARGUMENT, "'code'");
    close_backend(&backend);
}

static void create_mistake_in_the_body_is_found_before_dtypes_are_known(void **state)
{
    (void)state;
    fmi_backend backend;
    open_backend(&backend, false);
    fm_kernel_info info = portable("\nx = 1.0;");
    info.params = untyped;
    refuse(&backend, &info, FM_ERROR_COMPILE, "kernel 'k': line 2, column 1: 'x' is a buffer");
    assert_int_equal(backend.created, 0);
    close_backend(&backend);
}

static void create_backend_failure_keeps_its_cause(void **state)
{
    (void)state;
    fmi_backend backend;
    open_backend(&backend, false);
    fm_kernel_info info = portable("");
    backend.failure = FM_ERROR_COMPILE;
    backend.log = "<string>:7: error: ';' expected\n";
    refuse(&backend, &info, FM_ERROR_COMPILE,
           "kernel 'k': it does not compile, which is a mistake of Fermata (fm_kernel_get_source gives the generated "
           "source): generated line 7: ';' expected");
    backend.failure = FM_ERROR_BACKEND;
    backend.log = NULL;
    refuse(&backend, &info, FM_ERROR_BACKEND, "fm_kernel_create: kernel 'k': the device refuses it");
    backend.failure = FM_OK;
    fmi_kernel_destroy(create(&backend, &info));
    close_backend(&backend);
}

#ifdef FMI_HAVE_GLSLANG

static void create_module_takes_bindings_from_its_code(void **state)
{
    (void)state;
    fmi_backend backend;
    open_backend(&backend, true);
    fm_kernel_info info = {
        .name = "k",
        .language = FM_KERNEL_GLSL,
        .code =
            "#version 460\nlayout(local_size_x = 16) in;\nlayout(binding = 3) readonly buffer A { float a[]; };\n"
            "layout(binding = 1) writeonly buffer B { float b[]; };\nlayout(push_constant) uniform P { uint n; } p;\n"
            "void main() { b[p.n] = a[gl_NumWorkGroups.x]; }"};
    fmi_kernel *kernel = create(&backend, &info);
    assert_int_equal(kernel->param_count, 2);
    assert_int_equal(kernel->access[0], FM_ACCESS_WRITE);
    assert_int_equal(kernel->access[1], FM_ACCESS_READ);
    assert_int_equal(kernel->constants_size_bytes, 4);
    assert_true(kernel->most_binding_bytes == backend.caps.max_binding_bytes && kernel->dtypes_are_fixed);
    assert_int_equal(backend.last.binding_mode, FM_BINDING_DESCRIPTORS);
    assert_int_equal(backend.last.binding_numbers[0], 1);
    assert_int_equal(backend.last.binding_numbers[1], 3);
    assert_int_equal(backend.last.group_size[0], 16);
    assert_false(backend.last.wants_group_count || backend.last.wants_group_base || backend.last.runs_in_parts);
    fmi_kernel_destroy(kernel);
    info.code = "#version 460\nvoid main() {\n oops(); }";
    refuse(&backend, &info, FM_ERROR_COMPILE, "kernel 'k': it does not compile: line 3: 'oops'");
    info.code = "#version 460\nlayout(local_size_x = 129) in;\nvoid main() { }";
    refuse(&backend, &info, FM_ERROR_UNSUPPORTED, "129 × 1 × 1");
    info.code = "#version 460\nlayout(push_constant) uniform P { vec4 v[9]; } p;\nvoid main() { }";
    refuse(&backend, &info, FM_ERROR_UNSUPPORTED, "144 bytes of push constants");
    info = (fm_kernel_info){.name = "k", .language = FM_KERNEL_SPIRV, .code = "abcd", .code_size_bytes = 4};
    refuse(&backend, &info, FM_ERROR_COMPILE, "no SPIR-V module");
    close_backend(&backend);
}

static void create_portable_kernel_arranges_its_arguments(void **state)
{
    (void)state;
    fmi_backend backend;
    open_backend(&backend, true);
    fm_kernel_info info = portable("y[0] = float(group_count.x);");
    fmi_kernel_destroy(create(&backend, &info));
    assert_int_equal(backend.last.binding_mode, FM_BINDING_ADDRESSES);
    assert_true(backend.last.wants_group_count);
    assert_false(backend.last.wants_group_base);
    assert_true(backend.last.runs_in_parts); // a body that does not ask for its group's number needs no base
    assert_false(backend.last.indirect_arguments);
    backend.caps.max_push_constants_bytes = 35; // 16 of addresses, 8 of constants, 12 of counts
    fmi_kernel_destroy(create(&backend, &info));
    assert_true(backend.last.indirect_arguments);
    backend.caps.binding_mode = FM_BINDING_DESCRIPTORS;
    fmi_kernel *kernel = create(&backend, &info);
    assert_false(backend.last.indirect_arguments);
    assert_true(kernel->most_binding_bytes == backend.caps.max_binding_bytes);
    fmi_kernel_destroy(kernel);
    backend.caps.max_push_constants_bytes = 19;
    fmi_kernel_destroy(create(&backend, &info));
    assert_true(backend.last.indirect_arguments);
    assert_int_equal(backend.last.arguments_binding, 2);
    close_backend(&backend);
}

#endif

static void variant_is_compiled_once_a_choice_of_dtypes_key_1(void **state)
{
    (void)state;
    fmi_backend backend;
    open_backend(&backend, false);
    fm_kernel_info info = portable("y[0] = float(x[0]);");
    info.params = untyped;
    fmi_kernel *kernel = NULL;
    assert_int_equal(fmi_kernel_create(&backend.cache, &info, &kernel), FM_OK);
    assert_int_equal(backend.created, 0);
    fmi_variant *first, *second, *again;
    assert_int_equal(fmi_kernel_hold_variant(kernel, 0x11, FMI_NO_SHARE, "fm_dispatch", &first, NULL), FM_OK);
    assert_int_equal(fmi_kernel_hold_variant(kernel, 0x12, FMI_NO_SHARE, "fm_dispatch", &second, NULL), FM_OK);
    assert_int_equal(fmi_kernel_hold_variant(kernel, 0x11, FMI_NO_SHARE, "fm_dispatch", &again, NULL), FM_OK);
    assert_ptr_equal(first, again);
    assert_ptr_not_equal(first, second);
    assert_int_equal(backend.created, 2);
    assert_int_equal(backend.cache.counters.compiled, 2);
    assert_int_equal(backend.cache.counters.entries, 2);
    fmi_kernel_destroy(kernel);
    close_backend(&backend);
}

static void variant_of_a_wrong_key_is_refused(void **state)
{
    (void)state;
    fmi_backend backend;
    open_backend(&backend, false);
    fm_kernel_info info = portable("y[0] = float(x[0]);");
    info.params = untyped;
    fmi_kernel *kernel = create(&backend, &info);
    static const struct {
        uint64_t key;
        fm_status status;
        const char *part;
    } cases[] = {{0x10, FM_ERROR_INVALID_ARGUMENT, "must name its dtype"},
                 {0x1b, FM_ERROR_INVALID_ARGUMENT, "must name its dtype"},
                 {0x31, FM_ERROR_INVALID_ARGUMENT, "'y' is float, not int"},
                 {0x15, FM_ERROR_UNSUPPORTED, "'x' is int8"}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        fmi_variant *variant = NULL;
        assert_int_equal(fmi_kernel_hold_variant(kernel, cases[i].key, FMI_NO_SHARE, "fm_dispatch", &variant, NULL),
                         cases[i].status);
        assert_non_null(strstr(fm_last_error(), cases[i].part));
        assert_int_equal(strncmp(fm_last_error(), "fm_dispatch: kernel 'k': ", 25), 0);
    }
    fmi_kernel_destroy(kernel);
    close_backend(&backend);
}

static void variant_that_failed_is_tried_again(void **state)
{
    (void)state;
    fmi_backend backend;
    open_backend(&backend, false);
    fm_kernel_info info = portable("y[0] = float(x[0]);");
    info.params = untyped;
    fmi_kernel *kernel = create(&backend, &info);
    fmi_variant *variant = NULL;
    backend.failure = FM_ERROR_BACKEND;
    assert_int_equal(fmi_kernel_hold_variant(kernel, 0x11, FMI_NO_SHARE, "fm_dispatch", &variant, NULL),
                     FM_ERROR_BACKEND);
    backend.failure = FM_OK;
    assert_int_equal(fmi_kernel_hold_variant(kernel, 0x11, FMI_NO_SHARE, "fm_dispatch", &variant, NULL), FM_OK);
    fmi_kernel_destroy(kernel);
    close_backend(&backend);
}

struct asker {
    fmi_kernel *kernel;
    uint64_t key;
    fmi_variant *variant;
    fm_status status;
};

static void *ask(void *user)
{
    struct asker *asker = user;
    asker->status =
        fmi_kernel_hold_variant(asker->kernel, asker->key, FMI_NO_SHARE, "fm_dispatch", &asker->variant, NULL);
    return NULL;
}

static void variant_wanted_by_many_threads_is_compiled_once_and_holds_up_no_other_key_4(void **state)
{
    (void)state;
    fmi_backend backend;
    open_backend(&backend, false);
    fm_kernel_info info = portable("y[0] = float(x[0]);");
    info.params = untyped;
    fmi_kernel *kernel = create(&backend, &info);
    backend.held = "unsigned short *fm_b_x"; // the half variant stays inside the compiler
    struct asker askers[6];
    pthread_t threads[COUNT(askers)];
    for (size_t i = 0; i < COUNT(askers); i++) {
        askers[i] = (struct asker){.kernel = kernel, .key = 0x12};
        assert_int_equal(pthread_create(&threads[i], NULL, ask, &askers[i]), 0);
    }
    pthread_mutex_lock(&backend.lock);
    while (backend.inside == 0) {
        pthread_cond_wait(&backend.changed, &backend.lock);
    }
    pthread_mutex_unlock(&backend.lock);
    // Another variant of the same kernel is made meanwhile.
    struct asker other = {.kernel = kernel, .key = 0x13};
    ask(&other);
    assert_int_equal(other.status, FM_OK);
    pthread_mutex_lock(&backend.lock);
    assert_int_equal(backend.inside, 1);
    backend.held = NULL;
    pthread_cond_broadcast(&backend.changed);
    pthread_mutex_unlock(&backend.lock);
    for (size_t i = 0; i < COUNT(askers); i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(askers[i].status, FM_OK);
        assert_ptr_equal(askers[i].variant, askers[0].variant);
    }
    assert_int_equal(backend.created, 2);
    fmi_kernel_destroy(kernel);
    close_backend(&backend);
}

static void dtype_names_and_sizes_are_those_of_the_language(void **state)
{
    (void)state;
    assert_string_equal(fmi_dtype_name(FM_DTYPE_F16), "half");
    assert_int_equal(fmi_dtype_size(FM_DTYPE_F16), 2);
    assert_null(fmi_dtype_name(FM_DTYPE_NONE));
    assert_null(fmi_dtype_name((fm_dtype)11));
    assert_int_equal(fmi_dtype_size((fm_dtype)-1), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(create_portable_kernel_gives_the_backend_its_code),
        cmocka_unit_test(create_host_function_gives_the_backend_the_pointer),
        cmocka_unit_test(create_wrong_name_is_refused),
        cmocka_unit_test(create_wrong_number_is_refused),
        cmocka_unit_test(create_what_the_device_lacks_is_refused),
        cmocka_unit_test(create_field_that_the_language_does_not_use_is_refused),
        cmocka_unit_test(create_mistake_in_the_body_is_found_before_dtypes_are_known),
        cmocka_unit_test(create_backend_failure_keeps_its_cause),
#ifdef FMI_HAVE_GLSLANG
        cmocka_unit_test(create_module_takes_bindings_from_its_code),
        cmocka_unit_test(create_portable_kernel_arranges_its_arguments),
#endif
        cmocka_unit_test(variant_is_compiled_once_a_choice_of_dtypes_key_1),
        cmocka_unit_test(variant_of_a_wrong_key_is_refused),
        cmocka_unit_test(variant_that_failed_is_tried_again),
        cmocka_unit_test(variant_wanted_by_many_threads_is_compiled_once_and_holds_up_no_other_key_4),
        cmocka_unit_test(dtype_names_and_sizes_are_those_of_the_language),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
