// Kernel objects: creation, the way from a choice of dtypes to a held variant, destruction. See kernel.h.
// A look-up reads the kernel's own map without a lock; what is not there, or no longer alive, is asked of the device's
// cache by its full key (KEY-2). The lock is for changes of the map alone.
#include "kernel/kernel.h"

#include "base/assert.h"
#include "base/error.h"
#include "base/thread.h"
#include "kernel/build.h"
#include "kernel/generate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *fmi_dtype_name(fm_dtype dtype)
{
    return fmi_dtype_get(dtype)->name;
}

const char *fmi_kernel_param_name(const fmi_kernel *kernel, uint32_t index)
{
    return kernel->source->names[index].name;
}

uint32_t fmi_dtype_size(fm_dtype dtype)
{
    return fmi_dtype_get(dtype)->size_bytes;
}

bool fmi_dtype_is_storage(fm_dtype dtype)
{
    return fmi_dtype_get(dtype)->is_storage;
}

// Says whose kernel an error of a lower room is about.
static void blame(const fmi_kernel *kernel)
{
    fmi_error_about("kernel '%.100s'", kernel->name);
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
            return fmi_fail(FM_ERROR_INVALID_ARGUMENT, "the binding of '%s' must name its dtype", name);
        }
        if (kernel->dtype[i] != FM_DTYPE_NONE && kernel->dtype[i] != (uint8_t)dtype) {
            return fmi_fail(FM_ERROR_INVALID_ARGUMENT, "'%s' is %s, not %s", name,
                            fmi_dtype_name((fm_dtype)kernel->dtype[i]), fmi_dtype_name(dtype));
        }
        if (!(kernel->caps->dtype_mask & (1u << dtype))) {
            return fmi_fail(FM_ERROR_UNSUPPORTED, "'%s' is %s, which device '%s' does not offer", name,
                            fmi_dtype_name(dtype), kernel->caps->description);
        }
    }
    return FM_OK;
}

// Asks the cache by the full key, and notes the answer in the kernel's map. Numbers are read and folded in the default
// floating-point state.
static fm_status make_variant(fmi_kernel *kernel, uint64_t dtypes, fmi_variant **out)
{
    fmi_float_state environment;
    fmi_float_enter(&environment);
    fmi_recipe recipe;
    fm_status status = fmi_kernel_write_recipe(kernel, dtypes, &recipe);
    if (status == FM_OK) {
        status = fmi_cache_hold(kernel->cache, &recipe.key, fmi_recipe_make, &recipe, out);
    }
    fmi_recipe_release(&recipe);
    fmi_float_leave(&environment);
    if (status == FM_OK) {
        pthread_mutex_lock(&kernel->lock);
        fmi_variant_map_set(&kernel->variants, &kernel->cache->variants, dtypes, (*out)->id);
        pthread_mutex_unlock(&kernel->lock);
    }
    return status;
}

// A host function has nothing that a compiler makes: its one variant is the kernel's own, and no key finds it.
static fm_status wrap_function(fmi_kernel *kernel)
{
    fmi_recipe recipe;
    fmi_made made = {0};
    fm_status status = fmi_kernel_write_recipe(kernel, 0, &recipe);
    if (status == FM_OK) {
        status = fmi_recipe_make(&recipe, &made);
    }
    fmi_recipe_release(&recipe);
    if (status == FM_OK) {
        status = fmi_cache_wrap(kernel->cache, made.binary, &kernel->own);
        if (status != FM_OK) {
            kernel->ops->destroy_kernel(kernel->backend, made.binary);
        }
    }
    return status;
}

fm_status fmi_kernel_hold_variant(fmi_kernel *kernel, uint64_t dtypes, uint32_t share, const char *caller,
                                  fmi_variant **out, uint64_t *hits)
{
    fmi_cache *cache = kernel->cache;
    uint64_t id = kernel->own ? kernel->own->id : fmi_variant_map_find(&kernel->variants, dtypes);
    if (id != 0 && fmi_table_try_hold_by(&cache->variants, share, id, (fmi_slot **)out)) {
        fmi_cache_touch(cache, *out);
        if (hits) {
            ++*hits;
        }
        return FM_OK;
    }
    fm_status status = check_key(kernel, dtypes);
    if (status == FM_OK) {
        status = make_variant(kernel, dtypes, out);
    }
    if (status != FM_OK) {
        blame(kernel);
        fmi_error_in(caller);
    }
    return status;
}

bool fmi_kernel_has_variant(const fmi_kernel *kernel, uint64_t dtypes)
{
    uint64_t id = fmi_variant_map_find(&kernel->variants, dtypes);
    return kernel->own || (id != 0 && fmi_table_find(&kernel->cache->variants, id));
}

static fm_status choose_dtypes(const fmi_kernel *kernel, const fm_dtype *dtypes, uint32_t count, uint64_t *out)
{
    bool is_portable = kernel->language == FM_KERNEL_PORTABLE;
    *out = kernel->fixed_dtypes;
    if (count == 0 && (kernel->dtypes_are_fixed || !is_portable)) {
        return FM_OK;
    }
    if (!is_portable || count != kernel->param_count || !dtypes) {
        return fmi_fail(FM_ERROR_INVALID_ARGUMENT, "it takes a list of %u dtypes%s, not of %u",
                        is_portable ? kernel->param_count : 0, kernel->dtypes_are_fixed ? " or none" : "",
                        dtypes ? count : 0);
    }
    *out = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t dtype = dtypes[i] == FM_DTYPE_NONE ? kernel->dtype[i] : (uint32_t)dtypes[i];
        if (dtype > 15 || (dtype != FM_DTYPE_NONE && !fmi_dtype_name((fm_dtype)dtype))) {
            return fmi_fail(FM_ERROR_INVALID_ARGUMENT, "dtype %u of '%s' is unknown", dtype,
                            kernel->source->names[i].name);
        }
        *out |= (uint64_t)dtype << (4 * i);
    }
    return check_key(kernel, *out);
}

fm_status fmi_kernel_choose_dtypes(const fmi_kernel *kernel, const fm_dtype *dtypes, uint32_t count, uint64_t *out)
{
    fm_status status = choose_dtypes(kernel, dtypes, count, out);
    if (status != FM_OK) {
        blame(kernel);
    }
    return status;
}

fm_status fmi_kernel_check_features(const fmi_kernel *kernel, uint32_t features)
{
    const fmi_backend_caps *caps = kernel->caps;
    const struct {
        uint32_t feature;
        bool is_there;
        const char *what;
        const char *lacks;
    } rules[] = {
        {FMI_NEEDS_BARRIER, caps->max_shared_bytes != 0, "it calls barrier()", "barriers"},
        {FMI_NEEDS_INT64, caps->dtype_mask >> FM_DTYPE_I64 & 1, "its text uses long or ulong", "64-bit integers"},
        {FMI_NEEDS_FLOAT64, caps->dtype_mask >> FM_DTYPE_F64 & 1, "its text uses double", "64-bit floats"},
        {FMI_NEEDS_ATOMIC_INT64, caps->atomics & FMI_ATOMIC_INT64, "it has an atomic of a long or ulong element",
         "those (shaderBufferInt64Atomics)"},
        {FMI_NEEDS_ATOMIC_SHARED_INT64, caps->atomics & FMI_ATOMIC_SHARED_INT64,
         "it has an atomic of a long or ulong in a shared array", "those (shaderSharedInt64Atomics)"},
        {FMI_NEEDS_ATOMIC_FLOAT, caps->atomics & FMI_ATOMIC_FLOAT, "it has an atomic_add of a float element",
         "that (shaderBufferFloat32AtomicAdd)"},
        {FMI_NEEDS_ATOMIC_SHARED_FLOAT, caps->atomics & FMI_ATOMIC_SHARED_FLOAT,
         "it has an atomic_add of a float in a shared array", "that (shaderSharedFloat32AtomicAdd)"},
    };
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        if ((features & rules[i].feature) && !rules[i].is_there) {
            return fmi_fail(FM_ERROR_UNSUPPORTED, "%s; device '%s' does not offer %s", rules[i].what, caps->description,
                            rules[i].lacks);
        }
    }
    return FM_OK;
}

// Bodies are read once at creation, so that mistakes show there even if dtypes come with each dispatch.
static fm_status check_body(const fmi_kernel *kernel)
{
    uint32_t features = 0;
    fm_status status = fmi_generate_check(kernel->source, &features);
    if (status != FM_OK) {
        return status;
    }
    return fmi_kernel_check_features(kernel, features);
}

static void take_params(fmi_kernel *kernel, const fm_kernel_info *info)
{
    kernel->param_count = info->param_count;
    kernel->constants_size_bytes =
        info->language == FM_KERNEL_PORTABLE ? fmi_kernel_constants_size(info) : info->constants_size_bytes;
    kernel->dtypes_are_fixed = true;
    for (uint32_t i = 0; i < kernel->param_count && i < FM_MAX_BINDINGS; i++) {
        kernel->access[i] = (uint8_t)info->params[i].access;
        kernel->dtype[i] = (uint8_t)info->params[i].dtype;
        if (info->language == FM_KERNEL_PORTABLE) {
            kernel->dtypes_are_fixed &= info->params[i].dtype != FM_DTYPE_NONE;
            kernel->fixed_dtypes |= (uint64_t)info->params[i].dtype << (4 * i);
            // A dtype that each dispatch chooses may be the widest there is.
            uint32_t element_bytes = fmi_dtype_size(info->params[i].dtype);
            kernel->checked_size_bits |= (element_bytes ? element_bytes : fmi_dtype_size(FM_DTYPE_U64)) - 1;
        }
    }
    bool is_module = info->language == FM_KERNEL_GLSL || info->language == FM_KERNEL_SPIRV;
    bool is_generated = info->language == FM_KERNEL_PORTABLE;
    kernel->addresses_large_bindings =
        is_generated && kernel->caps->addresses_large_bindings && info->param_count < FM_MAX_BINDINGS;
    bool binds_descriptors = is_module || (is_generated && kernel->caps->binding_mode == FM_BINDING_DESCRIPTORS);
    kernel->most_binding_bytes = binds_descriptors ? kernel->caps->max_binding_bytes : UINT64_MAX;
    kernel->offset_bits = kernel->caps->binding_alignment_bytes - 1;
}

// Once it is known: of a module, after that has been read.
static void take_group_size(fmi_kernel *kernel)
{
    enum { FACTOR_BITS = 21 }; // of each of three factors, so that their product has 63
    uint32_t largest = 1;
    for (int axis = 0; axis < 3; axis++) {
        // A host function is called once for all of its workgroups, whatever it makes of them.
        uint32_t size = kernel->language == FM_KERNEL_HOST_FUNCTION ? 1 : kernel->source->group_size[axis];
        kernel->group_size[axis] = size;
        largest = size > largest ? size : largest;
    }
    uint32_t small = (1u << FACTOR_BITS) - 1;
    while ((uint64_t)small * largest > FM_MAX_ITEMS) {
        small >>= 1;
    }
    kernel->large_count_bits = ~small | (kernel->ops->accepts_group_count ? ~kernel->caps->group_count_mask : 0);
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
    if (status == FM_OK) {
        take_group_size(kernel);
    }
    if (status != FM_OK || info->language == FM_KERNEL_HOST_FUNCTION) {
        return status == FM_OK ? wrap_function(kernel) : status;
    }
    if (kernel->dtypes_are_fixed && !(info->flags & FM_KERNEL_COMPILE_LATER)) {
        fmi_variant *variant;
        status = make_variant(kernel, kernel->fixed_dtypes, &variant);
        if (status == FM_OK) {
            fmi_table_release(&kernel->cache->variants, &variant->slot); // the cache keeps it, within its limits
        }
    }
    return status;
}

// A list without its count leaves the body with names that nobody has declared: says so before what the compiler said.
// A count of 0 alone is no mistake, because a program may have a list that is empty.
static void name_forgotten_count(const fm_kernel_info *info)
{
    const struct {
        const char *list;
        const char *count;
        bool is_forgotten;
    } lists[] = {
        {"params", "param_count", info->params && !info->param_count},
        {"constants", "constant_count", info->constants && !info->constant_count},
        {"shared", "shared_count", info->shared && !info->shared_count},
        {"specials", "special_count", info->specials && !info->special_count},
    };
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        if (lists[i].is_forgotten) {
            fmi_error_about("%s is given, but %s is 0", lists[i].list, lists[i].count);
        }
    }
}

fm_status fmi_kernel_create(fmi_cache *cache, const fm_kernel_info *info, fmi_kernel **out)
{
    fmi_kernel *kernel = NULL;
    fm_status status = fmi_kernel_check_info(cache->caps, info);
    if (status == FM_OK && (info->flags & ~(uint32_t)FM_KERNEL_COMPILE_LATER)) {
        status = fmi_fail_of("kernel", info->name, FM_ERROR_INVALID_ARGUMENT, "flags %#x are unknown", info->flags);
    }
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
    kernel->cache = cache;
    kernel->ops = cache->ops;
    kernel->backend = cache->backend;
    kernel->caps = cache->caps;
    kernel->language = info->language;
    fmi_float_state environment;
    fmi_float_enter(&environment);
    status = fill(kernel, info);
    fmi_float_leave(&environment);
    if (status != FM_OK) {
        blame(kernel);
        goto fail;
    }
    *out = kernel;
    return FM_OK;

fail:
    if (kernel) {
        fmi_kernel_destroy(kernel);
    }
    if (status == FM_ERROR_COMPILE) {
        name_forgotten_count(info);
    }
    fmi_error_in("fm_kernel_create");
    return status;
}

void fmi_kernel_destroy(fmi_kernel *kernel)
{
    if (kernel->own) {
        fm_status killed = fmi_table_kill(&kernel->cache->variants, kernel->own->id);
        FMI_ASSERT("KEY-3", killed == FM_OK);
    }
    fmi_variant_map_free(&kernel->variants);
    if (kernel->source) {
        fmi_kernel_source_destroy(kernel->source);
    }
    pthread_mutex_destroy(&kernel->lock);
    free(kernel->name);
    free(kernel);
}
