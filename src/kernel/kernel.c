// Kernel objects: creation, the list of variants, destruction. See kernel.h.
// A look-up reads an atomic list; compiling happens outside the lock, which only keeps two threads from compiling one variant
// twice (KEY-4). Variants stay until the kernel goes, because recorded lists point to their binaries (KEY-3).
#include "kernel/kernel.h"

#include "base/error.h"
#include "kernel/build.h"
#include "kernel/generate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name;
    uint32_t size_bytes;
} dtypes_table[] = {
    [FM_DTYPE_NONE] = {NULL, 0},   [FM_DTYPE_F32] = {"float", 4},     [FM_DTYPE_F16] = {"half", 2},
    [FM_DTYPE_I32] = {"int", 4},   [FM_DTYPE_U32] = {"uint", 4},      [FM_DTYPE_I8] = {"int8", 1},
    [FM_DTYPE_U8] = {"uint8", 1},  [FM_DTYPE_BF16] = {"bfloat16", 2}, [FM_DTYPE_I64] = {"long", 8},
    [FM_DTYPE_U64] = {"ulong", 8},
};

const char *fmi_dtype_name(fm_dtype dtype)
{
    return (unsigned)dtype < sizeof dtypes_table / sizeof dtypes_table[0] ? dtypes_table[dtype].name : NULL;
}

uint32_t fmi_dtype_size(fm_dtype dtype)
{
    return (unsigned)dtype < sizeof dtypes_table / sizeof dtypes_table[0] ? dtypes_table[dtype].size_bytes : 0;
}

static fmi_variant *find(const fmi_kernel *kernel, uint64_t dtypes)
{
    fmi_variant *variant =
        atomic_load_explicit(&kernel->variants, memory_order_acquire); // pairs with the store in `publish`
    while (variant && variant->dtypes != dtypes) {
        variant = variant->next;
    }
    return variant;
}

static bool is_compiling(const fmi_kernel_source *source, uint64_t dtypes)
{
    for (const fmi_compiling *entry = source->compiling; entry; entry = entry->next) {
        if (entry->dtypes == dtypes) {
            return true;
        }
    }
    return false;
}

// A key from a dispatch: every dtype is there, is the kernel's own where it has one, and is one of the device's.
static fm_status check_key(const fmi_kernel *kernel, uint64_t dtypes)
{
    if (kernel->language != FM_KERNEL_PORTABLE) {
        return FM_OK;
    }
    for (uint32_t i = 0; i < kernel->param_count; i++) {
        const char *name = kernel->source->names[i].name;
        fm_dtype dtype = fmi_key_dtype(dtypes, i);
        if (!fmi_dtype_name(dtype)) {
            return fmi_fail(FM_ERROR_INVALID_ARGUMENT, "kernel '%s': the binding of '%s' must name its dtype",
                            kernel->name, name);
        }
        if (kernel->dtype[i] != FM_DTYPE_NONE && kernel->dtype[i] != (uint8_t)dtype) {
            return fmi_fail(FM_ERROR_INVALID_ARGUMENT, "kernel '%s': '%s' is %s, not %s", kernel->name, name,
                            fmi_dtype_name((fm_dtype)kernel->dtype[i]), fmi_dtype_name(dtype));
        }
        if (!(kernel->caps->dtype_mask & (1u << dtype))) {
            return fmi_fail(FM_ERROR_UNSUPPORTED, "kernel '%s': '%s' is %s, which device '%s' does not offer",
                            kernel->name, name, fmi_dtype_name(dtype), kernel->caps->description);
        }
    }
    return FM_OK;
}

// Publishes under the kernel's lock.
static void publish(fmi_kernel *kernel, fmi_variant *variant)
{
    variant->next = atomic_load_explicit(&kernel->variants, memory_order_relaxed);
    atomic_store_explicit(&kernel->variants, variant, memory_order_release); // pairs with the load in `find`
    if (kernel->compiled_counter) {
        atomic_fetch_add_explicit(kernel->compiled_counter, 1, memory_order_relaxed);
    }
}

static void leave(fmi_kernel_source *source, const fmi_compiling *entry)
{
    fmi_compiling **link = &source->compiling;
    while (*link != entry) {
        link = &(*link)->next;
    }
    *link = entry->next;
    pthread_cond_broadcast(&source->compiled);
}

// Compiles a variant, or waits for the thread that already does. A failure is not kept: the next caller tries again.
static fm_status make_variant(fmi_kernel *kernel, uint64_t dtypes, const fmi_variant **out)
{
    fmi_kernel_source *source = kernel->source;
    pthread_mutex_lock(&kernel->lock);
    fmi_variant *variant;
    while (!(variant = find(kernel, dtypes)) && is_compiling(source, dtypes)) {
        pthread_cond_wait(&source->compiled, &kernel->lock);
    }
    if (variant) {
        pthread_mutex_unlock(&kernel->lock);
        *out = variant;
        return FM_OK;
    }
    fmi_compiling entry = {.next = source->compiling, .dtypes = dtypes};
    source->compiling = &entry;
    pthread_mutex_unlock(&kernel->lock);

    fm_status status = fmi_kernel_build(kernel, dtypes, &variant);

    pthread_mutex_lock(&kernel->lock);
    if (status == FM_OK) {
        publish(kernel, variant);
        *out = variant;
    }
    leave(source, &entry);
    pthread_mutex_unlock(&kernel->lock);
    return status;
}

fm_status fmi_kernel_get_variant(fmi_kernel *kernel, uint64_t dtypes, const char *caller, const fmi_variant **out)
{
    const fmi_variant *variant = find(kernel, dtypes);
    if (variant) {
        *out = variant;
        return FM_OK;
    }
    fm_status status = check_key(kernel, dtypes);
    if (status == FM_OK) {
        status = make_variant(kernel, dtypes, out);
    }
    if (status != FM_OK) {
        fmi_error_prefix(caller);
    }
    return status;
}

// Bodies are read once at creation, so that mistakes show there even if dtypes come with each dispatch.
static fm_status check_body(const fmi_kernel *kernel)
{
    uint32_t features = 0;
    fm_status status = fmi_generate_check(kernel->source, &features);
    if (status != FM_OK) {
        char prefix[128];
        snprintf(prefix, sizeof prefix, "kernel '%.100s'", kernel->name);
        fmi_error_prefix(prefix);
        return status;
    }
    if ((features & FMI_USES_BARRIER) && kernel->caps->max_shared_bytes == 0) {
        return fmi_fail(FM_ERROR_UNSUPPORTED, "kernel '%s': device '%s' does not offer barrier()", kernel->name,
                        kernel->caps->description);
    }
    if ((features & FMI_USES_INT64) && !(kernel->caps->dtype_mask & (1u << FM_DTYPE_I64))) {
        return fmi_fail(FM_ERROR_UNSUPPORTED,
                        "kernel '%s': its text uses long or ulong; device '%s' does not offer 64-bit integers",
                        kernel->name, kernel->caps->description);
    }
    return FM_OK;
}

static void take_params(fmi_kernel *kernel, const fm_kernel_info *info)
{
    kernel->param_count = info->param_count;
    kernel->constants_size_bytes =
        info->language == FM_KERNEL_PORTABLE ? 4 * info->constant_count : info->constants_size_bytes;
    kernel->dtypes_are_fixed = true;
    for (uint32_t i = 0; i < info->param_count; i++) {
        kernel->access[i] = (uint8_t)info->params[i].access;
        kernel->dtype[i] = (uint8_t)info->params[i].dtype;
        if (info->language == FM_KERNEL_PORTABLE) {
            kernel->dtypes_are_fixed &= info->params[i].dtype != FM_DTYPE_NONE;
            kernel->fixed_dtypes |= (uint64_t)info->params[i].dtype << (4 * i);
        }
    }
    bool is_module = info->language == FM_KERNEL_GLSL || info->language == FM_KERNEL_SPIRV;
    bool is_generated = info->language == FM_KERNEL_PORTABLE && kernel->caps->takes_spirv;
    kernel->binds_descriptors = is_module || (is_generated && kernel->caps->binding_mode == FM_BINDING_DESCRIPTORS);
}

// Fills a kernel whose info is checked; what is done so far is undone by the caller.
static fm_status fill(fmi_kernel *kernel, const fm_kernel_info *info)
{
    kernel->name = strdup(info->name);
    kernel->source = fmi_kernel_source_create(info);
    if (!kernel->name || !kernel->source) {
        return fmi_fail(FM_ERROR_OUT_OF_HOST_MEMORY, "no host memory for a kernel");
    }
    take_params(kernel, info);
    fm_status status = FM_OK;
    if (info->language == FM_KERNEL_PORTABLE) {
        status = check_body(kernel);
    } else if (info->language != FM_KERNEL_HOST_FUNCTION) {
        status = fmi_kernel_read_module(kernel);
    }
    if (status == FM_OK && kernel->dtypes_are_fixed) {
        const fmi_variant *variant;
        status = make_variant(kernel, kernel->fixed_dtypes, &variant);
    }
    return status;
}

fm_status fmi_kernel_create(const fmi_backend_ops *ops, fmi_backend *backend, const fmi_backend_caps *caps,
                            _Atomic(uint64_t) *compiled_counter, const fm_kernel_info *info, fmi_kernel **out)
{
    fmi_kernel *kernel = NULL;
    fm_status status = fmi_kernel_check_info(caps, info);
    if (status != FM_OK) {
        goto fail;
    }
    kernel = calloc(1, sizeof *kernel);
    if (!kernel || pthread_mutex_init(&kernel->lock, NULL) != 0) {
        free(kernel);
        kernel = NULL;
        status = fmi_fail(FM_ERROR_OUT_OF_HOST_MEMORY, "no host memory for a kernel");
        goto fail;
    }
    kernel->ops = ops;
    kernel->backend = backend;
    kernel->caps = caps;
    kernel->language = info->language;
    kernel->compiled_counter = compiled_counter;
    status = fill(kernel, info);
    if (status != FM_OK) {
        goto fail;
    }
    *out = kernel;
    return FM_OK;

fail:
    if (kernel) {
        fmi_kernel_destroy(kernel);
    }
    fmi_error_prefix("fm_kernel_create");
    return status;
}

void fmi_kernel_destroy(fmi_kernel *kernel)
{
    fmi_variant *variant = atomic_load_explicit(&kernel->variants, memory_order_acquire);
    while (variant) {
        fmi_variant *next = variant->next;
        kernel->ops->destroy_kernel(kernel->backend, variant->binary);
        free(variant);
        variant = next;
    }
    if (kernel->source) {
        fmi_kernel_source_destroy(kernel->source);
    }
    pthread_mutex_destroy(&kernel->lock);
    free(kernel->name);
    free(kernel);
}
