// fm_dispatch: the binding check, the holds and the command. The hottest function of the library: a bound buffer that
// the list already holds costs a load and a compare.
#include "record/dispatch.h"
#include "base/error.h"
#include "language/dtype.h"
#include "record/calls.h"
#include "record/label.h"
#include "record/shape.h"

#include <stdio.h>
#include <string.h>

// Parts of fm_dispatch that have names for the reader alone.
#define FMI_HOT inline __attribute__((always_inline))

static fm_status __attribute__((cold)) refuse_dtype(const fmi_kernel *kernel, uint32_t i, uint32_t bound)
{
    const char *name = fmi_dtype_name((fm_dtype)bound);
    return fmi_fail_in("fm_dispatch", FM_ERROR_INVALID_ARGUMENT, "binding %u of kernel '%s' takes dtype %s, not %s", i,
                       kernel->name, fmi_dtype_name((fm_dtype)kernel->dtype[i]), name ? name : "an unknown one");
}

// Where nothing is generated from dtypes, a binding may still name what it is; it must be what the kernel is known to
// take.
static fm_status __attribute__((cold)) check_named_dtypes(const fmi_kernel *kernel, const fm_dispatch_info *info)
{
    for (uint32_t i = 0; i < kernel->param_count; i++) {
        uint32_t bound = (uint32_t)info->bindings[i].dtype, own = kernel->dtype[i];
        if (own != FM_DTYPE_NONE && bound != FM_DTYPE_NONE && bound != own) {
            return refuse_dtype(kernel, i, bound);
        }
    }
    return FM_OK;
}

// The blocks of a module say how many bytes each binding has at least.
static fm_status __attribute__((cold)) check_least_bytes(const fmi_kernel *kernel, const fmi_command *command)
{
    for (uint32_t i = 0; i < kernel->param_count; i++) {
        if (command->spans[i].size_bytes < kernel->least_bytes[i]) {
            return fmi_fail_in("fm_dispatch", FM_ERROR_OUT_OF_RANGE,
                               "binding %u of kernel '%s': %llu bytes are less than the %u of its block", i,
                               kernel->name, (unsigned long long)command->spans[i].size_bytes, kernel->least_bytes[i]);
        }
    }
    return FM_OK;
}

// Bodies see elements: a range that ends within one would have its last bytes ignored. Called where some size is odd to
// the widest element.
static fm_status check_whole_elements(const fmi_kernel *kernel, const fm_dispatch_info *info,
                                      const fmi_command *command)
{
    for (uint32_t i = 0; i < kernel->param_count; i++) {
        uint32_t own = kernel->dtype[i];
        fm_dtype dtype = own != FM_DTYPE_NONE ? (fm_dtype)own : info->bindings[i].dtype;
        uint32_t element_bytes = fmi_dtype_size(dtype);
        if (command->spans[i].size_bytes & (element_bytes - 1)) {
            return fmi_fail_in("fm_dispatch", FM_ERROR_INVALID_ARGUMENT,
                               "binding %u '%s' of kernel '%s': %llu bytes are not a whole number of %s "
                               "elements of %u bytes",
                               i, fmi_kernel_param_name(kernel, i), kernel->name,
                               (unsigned long long)command->spans[i].size_bytes, fmi_dtype_name(dtype), element_bytes);
        }
    }
    return FM_OK;
}

// The dtypes key of a dispatch whose kernel leaves some to the bindings.
static fm_status choose_dtypes(const fmi_kernel *kernel, const fm_dispatch_info *info, uint64_t *out)
{
    uint64_t key = 0;
    for (uint32_t i = 0; i < kernel->param_count; i++) {
        uint32_t bound = (uint32_t)info->bindings[i].dtype;
        uint32_t own = kernel->dtype[i];
        if (own != FM_DTYPE_NONE && bound != FM_DTYPE_NONE && bound != own) {
            return refuse_dtype(kernel, i, bound);
        }
        uint32_t dtype = own != FM_DTYPE_NONE ? own : bound;
        if (dtype == FM_DTYPE_NONE) {
            return fmi_fail_in("fm_dispatch", FM_ERROR_INVALID_ARGUMENT,
                               "binding %u of kernel '%s' must name its dtype", i, kernel->name);
        }
        if (dtype >= FMI_DTYPE_END) {
            return fmi_fail_in("fm_dispatch", FM_ERROR_INVALID_ARGUMENT, "binding %u names the unknown dtype %u", i,
                               dtype);
        }
        key |= (uint64_t)dtype << (4 * i);
    }
    *out = key;
    return FM_OK;
}

// What the bindings of a dispatch have in common, gathered bit by bit, so that one look behind them answers for all.
typedef struct bound_bits {
    uint64_t offsets;
    uint64_t sizes;
    uintptr_t names;
    uint32_t dtypes;
    uint64_t by_address; // FMI_KEY_BY_ADDRESS: one of them is too large for a descriptor; else 0
} bound_bits;

// The binary of a variant that bindings name, or that the list does not hold yet.
static fm_status __attribute__((noinline))
find_variant(fm_commands *commands, fmi_kernel_object *object, const fm_dispatch_info *info, const bound_bits *bits,
             const fmi_kernel_binary **out)
{
    const fmi_kernel *kernel = object->kernel;
    uint64_t key = kernel->fixed_dtypes;
    if (!kernel->dtypes_are_fixed || bits->dtypes) {
        fm_status status = kernel->language == FM_KERNEL_PORTABLE ? choose_dtypes(kernel, info, &key)
                                                                  : check_named_dtypes(kernel, info);
        if (status != FM_OK) {
            return status;
        }
    }
    key |= bits->by_address;
    const fmi_kernel_binary *binary =
        fmi_variant_stamps_find(&commands->variant_stamps, object->slot.index, key, commands->epoch);
    commands->variant_hits += binary != NULL;
    if (!binary) {
        fm_status status = fmi_recorder_hold_variant(commands, object, key, &binary);
        if (status != FM_OK) {
            return status;
        }
    }
    if (kernel->dtypes_are_fixed && !bits->by_address) { // what the bindings named is what the kernel has anyway
        commands->fixed_variants[object->slot.index] = binary;
    }
    *out = binary;
    return FM_OK;
}

// The binary of the variant that the bindings choose, held by the list. Held already and no choice: one load.
static FMI_HOT fm_status choose_variant(fm_commands *commands, fmi_kernel_object *object, const fm_dispatch_info *info,
                                        const bound_bits *bits, const fmi_kernel_binary **out)
{
    const fmi_kernel_binary *binary = commands->fixed_variants[object->slot.index];
    if (__builtin_expect(binary && !(bits->dtypes | bits->by_address), 1)) {
        commands->variant_hits++;
        *out = binary;
        return FM_OK;
    }
    const fmi_kernel_binary *found = NULL; // not `out` itself, which then can stay in a register
    fm_status status = find_variant(commands, object, info, bits, &found);
    *out = found;
    return status;
}

// `b` is not inside the buffer; a size of 0 is "to the end". Not inlined: its text would stand in the frame of every
// dispatch.
static fm_status __attribute__((cold, noinline))
refuse_range(const fmi_kernel *kernel, uint32_t i, const fm_binding *b, const fmi_buffer *buffer)
{
    char what[FMI_BINDING_NAME_BYTES];
    fmi_shape_name_binding(what, kernel, i);
    return fmi_check_range("fm_dispatch", what, buffer, b->offset_bytes, b->size_bytes ? b->size_bytes : FM_WHOLE_SIZE);
}

// Refuses the first binding whose offset is not aligned or that is larger than any may be. FM_OK: none is; where one is
// larger than a descriptor's range, the kernel's variant with addresses is to be taken.
static fm_status __attribute__((cold))
check_limits(const fmi_kernel *kernel, const fm_dispatch_info *info, const fmi_command *command, bound_bits *bits)
{
    uint32_t align = kernel->offset_bits + 1;
    uint64_t most_bytes = kernel->most_binding_bytes;
    for (uint32_t i = 0; i < kernel->param_count; i++) {
        if (info->bindings[i].offset_bytes & (align - 1)) {
            return fmi_fail_in("fm_dispatch", FM_ERROR_INVALID_ARGUMENT,
                               "binding %u of kernel '%s': offset %llu is not a multiple of %u", i, kernel->name,
                               (unsigned long long)info->bindings[i].offset_bytes, align);
        }
        if (command->spans[i].size_bytes <= most_bytes) {
            continue;
        }
        bits->by_address = FMI_KEY_BY_ADDRESS;
        if (!kernel->addresses_large_bindings) {
            return fmi_fail_in("fm_dispatch", FM_ERROR_OUT_OF_RANGE,
                               "binding %u of kernel '%s': %llu bytes exceed the %llu that a binding by "
                               "descriptor has at most on this device; bind a part",
                               i, kernel->name, (unsigned long long)command->spans[i].size_bytes,
                               (unsigned long long)most_bytes);
        }
    }
    return FM_OK;
}

static fm_status __attribute__((cold))
refuse_group_count(const fmi_backend_caps *caps, const fmi_kernel *kernel, const uint32_t groups[3])
{
    const uint32_t *most = caps->max_group_count;
    return fmi_fail_in("fm_dispatch", FM_ERROR_UNSUPPORTED,
                       "{%u, %u, %u} workgroups exceed the {%u, %u, %u} of device '%s', and kernel '%s', "
                       "given "
                       "as a module, cannot run in parts",
                       groups[0], groups[1], groups[2], most[0], most[1], most[2], caps->description, kernel->name);
}

// Fills span i from binding i: finds and holds the buffer, checks the range.
static FMI_HOT fm_status bind(fm_commands *commands, const fmi_kernel *kernel, const fm_binding *b, uint32_t i,
                              bound_bits *bits, fmi_span *out)
{
    fmi_buffer *buffer;
    if (FMI_ABLATED(commands->room->ablations, FM_ABLATE_HOLD_IN_BIND) && !(kernel->access[i] & FM_ACCESS_WRITE)) {
        buffer = (fmi_buffer *)fmi_table_find(commands->room->buffers, b->buffer.id);
        *out = buffer
                   ? fmi_buffer_span(buffer, b->offset_bytes, buffer->size_bytes - b->offset_bytes, kernel->access[i])
                   : *out;
        return buffer ? FM_OK : FM_ERROR_STALE_HANDLE;
    }
    fm_status status = fmi_recorder_hold_buffer(commands, b->buffer, &buffer);
    if (__builtin_expect(status != FM_OK, 0)) {
        return fmi_shape_blame_binding(status, kernel, i);
    }
    uint64_t offset = b->offset_bytes, size = b->size_bytes;
    uint64_t room = buffer->size_bytes - offset; // nonsense when the offset is beyond the end, which is refused
    if (size - 1 >= room) {                      // 0, FM_WHOLE_SIZE or too much
        if (__builtin_expect(size != 0 && size != FM_WHOLE_SIZE, 0)) {
            return refuse_range(kernel, i, b, buffer);
        }
        size = room;
    }
    if (__builtin_expect(offset >= buffer->size_bytes, 0)) {
        return refuse_range(kernel, i, b, buffer);
    }
    bits->offsets |= offset;
    bits->sizes |= size;
    bits->dtypes |= (uint32_t)b->dtype;
    bits->names |= (uintptr_t)b->param_name;
    *out = fmi_buffer_span(buffer, offset, size, kernel->access[i]);
    return FM_OK;
}

// Fills the command's spans from the bindings.
static FMI_HOT fm_status bind_all(fm_commands *commands, const fmi_kernel *kernel, const fm_dispatch_info *info,
                                  fmi_command *command, bound_bits *bits)
{
    uint32_t count = kernel->param_count;
    const fm_binding *bindings = info->bindings;
    for (uint32_t i = 0; i < count; i++) {
        fm_status status = bind(commands, kernel, &bindings[i], i, bits, &command->spans[i]);
        if (__builtin_expect(status != FM_OK, 0)) {
            return status;
        }
    }
    if (__builtin_expect((bits->offsets & kernel->offset_bits) || bits->sizes > kernel->most_binding_bytes, 0)) {
        return check_limits(kernel, info, command, bits);
    }
    return FM_OK;
}

// Are the group counts beyond what any kernel takes, and beyond what this one does?
static FMI_HOT bool groups_exceed(const fmi_record_room *room, const fmi_kernel *kernel,
                                  const fmi_kernel_binary *binary, const uint32_t groups[3])
{
    return __builtin_expect(((groups[0] | groups[1] | groups[2]) & kernel->large_count_bits) != 0, 0) &&
           room->ops->accepts_group_count && !room->ops->accepts_group_count(room->backend, binary, groups);
}

// What a bound dispatch must be besides: not beyond the device's group counts, made of whole elements, and as large as
// its module's blocks.
static FMI_HOT fm_status check_bound(const fmi_record_room *room, const fmi_kernel *kernel,
                                     const fm_dispatch_info *info, const fmi_command *command, const bound_bits *bits,
                                     const fmi_kernel_binary *binary, const uint32_t groups[3])
{
    if (groups_exceed(room, kernel, binary, groups)) {
        return refuse_group_count(room->caps, kernel, groups);
    }
    if (__builtin_expect((bits->sizes & kernel->checked_size_bits) == 0, 1)) {
        return FM_OK;
    }
    return kernel->language == FM_KERNEL_PORTABLE ? check_whole_elements(kernel, info, command)
                                                  : check_least_bytes(kernel, command);
}

// The workgroups of a dispatch that is not plain: none are known of one that is indirect.
static fm_status resolve_groups(const fmi_kernel *kernel, const fm_dispatch_info *info, const fmi_dispatch_way *way,
                                uint32_t out_groups[3], bool *out_is_unchecked)
{
    if (!way->counts) {
        return fmi_shape_resolve(kernel, info, out_groups, out_is_unchecked);
    }
    if (info->flags) {
        return fmi_fail_in("fm_dispatch_indirect", FM_ERROR_INVALID_ARGUMENT,
                           "kernel '%s': flags %#x are for counts that "
                           "the caller knows",
                           kernel->name, info->flags);
    }
    memset(out_groups, 0, 3 * sizeof *out_groups);
    *out_is_unchecked = true;
    return FM_OK;
}

// Fills the span of an indirect dispatch's counts, which is held and tracked like a binding.
static fm_status bind_counts(fm_commands *commands, const fmi_counts *counts, fmi_span *out)
{
    static const char call[] = "fm_dispatch_indirect", what[] = "the group counts";
    enum { COUNTS_BYTES = 3 * sizeof(uint32_t) };
    fmi_buffer *buffer;
    fm_status status = fmi_recorder_hold_buffer(commands, counts->buffer, &buffer);
    if (status != FM_OK) {
        fmi_error_about("%s", what);
        fmi_error_in(call);
        return status;
    }
    if (counts->offset_bytes % sizeof(uint32_t) != 0) {
        status = fmi_fail_in(call, FM_ERROR_INVALID_ARGUMENT, "offset %llu is not a multiple of 4",
                             (unsigned long long)counts->offset_bytes);
        fmi_error_about("%s", what);
        return status;
    }
    status = fmi_check_range(call, what, buffer, counts->offset_bytes, COUNTS_BYTES);
    *out = fmi_buffer_span(buffer, counts->offset_bytes, COUNTS_BYTES, FM_ACCESS_READ);
    return status;
}

// Fills the rest of the command and puts it into the list.
static FMI_HOT fm_status link_dispatch(fm_commands *commands, const fm_dispatch_info *info, const fmi_counts *counts,
                                       fmi_command *command, const fmi_kernel_binary *binary, const uint32_t groups[3])
{
    fmi_list *list = commands->list;
    uint32_t span_count = info->binding_count + (counts != NULL);
    command->binary = binary;
    command->label = commands->labels ? commands->labels->path : NULL;
    memcpy(command->group_count, groups, sizeof command->group_count);
    fmi_copy_constants(&command->spans[span_count], info->constants, info->constants_size_bytes);
    if (__builtin_expect(list->reusable, 0) && !fmi_reusable_note_dispatch(list, command, info, counts)) {
        return fmi_fail_in("fm_dispatch", FM_ERROR_OUT_OF_HOST_MEMORY, "no host memory for a command");
    }
    fmi_list_link_kind(list, command, counts ? FMI_COMMAND_DISPATCH_INDIRECT : FMI_COMMAND_DISPATCH);
    return FM_OK;
}

static fm_status record_named(fm_commands *commands, const fmi_kernel *kernel, const fm_dispatch_info *info,
                              const fmi_dispatch_way *way);

static FMI_HOT fm_status record_dispatch(fm_commands *commands, const fm_dispatch_info *info,
                                         const fmi_dispatch_way *way)
{
    fmi_record_room *room = commands->room;
    fmi_list *list = commands->list;
    fmi_slot *slot;
    fm_status status =
        fmi_recorder_hold(commands, room->kernels, &commands->kernel_stamps, &list->kernels, info->kernel.id, &slot);
    if (__builtin_expect(status != FM_OK, 0)) {
        fmi_error_in("fm_dispatch");
        return status;
    }
    fmi_kernel_object *object = (fmi_kernel_object *)slot;
    const fmi_kernel *kernel = object->kernel;
    const uint32_t *groups = info->group_count;
    uint32_t resolved[3];
    bool is_unchecked = false; // empty, or indirect
    if (way) {
        status = resolve_groups(kernel, info, way, resolved, &is_unchecked);
        if (status != FM_OK) {
            return status;
        }
        groups = resolved;
    }
    if (__builtin_expect(!fmi_shape_arguments_fit(kernel, info), 0) ||
        (!is_unchecked && __builtin_expect(!fmi_shape_groups_fit(kernel, groups), 0))) {
        return fmi_shape_refuse(kernel, info, groups);
    }
    // Written where it stays. A refused binding leaves it out of the list; its few bytes go back with the list.
    const fmi_counts *counts = way ? way->counts : NULL;
    fmi_command *command = fmi_list_reserve_command(list, counts ? FMI_COMMAND_DISPATCH_INDIRECT : FMI_COMMAND_DISPATCH,
                                                    kernel->param_count + (counts != NULL), info->constants_size_bytes);
    if (__builtin_expect(!command, 0)) {
        return fmi_fail_in("fm_dispatch", FM_ERROR_OUT_OF_HOST_MEMORY, "no host memory for a command");
    }
    const fmi_kernel_binary *binary;
    bound_bits bits = {0, 0, 0, 0, 0};
    status = bind_all(commands, kernel, info, command, &bits);
    if (__builtin_expect(status != FM_OK || bits.names, 0)) {
        return fmi_shape_is_named(info) ? record_named(commands, kernel, info, way) : status;
    }
    status = counts ? bind_counts(commands, counts, &command->spans[kernel->param_count]) : FM_OK;
    if (status == FM_OK) {
        status = choose_variant(commands, object, info, &bits, &binary);
    }
    if (status == FM_OK) {
        status = check_bound(room, kernel, info, command, &bits, binary, groups);
    }
    if (__builtin_expect(status != FM_OK, 0)) {
        return status;
    }
    if (is_unchecked && !counts && !way->keeps_empty) {
        fmi_recorder_undo(commands); // the list is as before
        return FM_OK;
    }
    return link_dispatch(commands, info, counts, command, binary, groups);
}

static fm_status __attribute__((noinline))
record_special(fm_commands *commands, const fm_dispatch_info *info, const fmi_dispatch_way *way)
{
    return record_dispatch(commands, info, way);
}

// What the bindings name decides their order. Called once they turn out to have names: what is held by then is held
// either way.
static fm_status __attribute__((noinline))
record_named(fm_commands *commands, const fmi_kernel *kernel, const fm_dispatch_info *info, const fmi_dispatch_way *way)
{
    fm_binding ordered[FM_MAX_BINDINGS];
    fm_status status = fmi_shape_order_bindings(kernel, info, ordered);
    if (status != FM_OK) {
        return status;
    }
    fm_dispatch_info plain = *info;
    plain.bindings = ordered;
    return record_special(commands, &plain, way ? way : &(fmi_dispatch_way){0});
}

fm_status fmi_dispatch_inside(fm_commands *commands, const fm_dispatch_info *info, const fmi_dispatch_way *way)
{
    return record_special(commands, info, way);
}

fm_status fmi_record_dispatch(fm_commands *commands, const fm_dispatch_info *info)
{
    fm_status status = fmi_recorder_enter(commands, "fm_dispatch");
    if (status == FM_OK) {
        status = __builtin_expect(info->flags != 0, 0)
                     ? record_special(commands, info, &(fmi_dispatch_way){.keeps_empty = commands->list->reusable})
                     : record_dispatch(commands, info, NULL);
        fmi_recorder_leave(commands, status);
    }
    return status;
}

fm_status fmi_record_dispatch_indirect(fm_commands *commands, const fm_dispatch_info *info, fm_buffer buffer,
                                       uint64_t offset_bytes)
{
    static const char caller[] = "fm_dispatch_indirect";
    fm_status status = fmi_recorder_enter(commands, caller);
    if (status == FM_OK) {
        const fmi_counts counts = {buffer, offset_bytes};
        status = record_special(commands, info, &(fmi_dispatch_way){.counts = &counts});
        if (status != FM_OK) {
            fmi_error_in(caller);
        }
        fmi_recorder_leave(commands, status);
    }
    return status;
}
