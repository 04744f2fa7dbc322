// What the Vulkan backend's unit tests share: a device opened through the waist, GLSL to SPIR-V, commands, and batches.
// Header only: each unit test is one program. Any failure of the fixture itself fails the running test.
#ifndef VULKAN_FIXTURE_H
#define VULKAN_FIXTURE_H

#include "backend/vulkan/vulkan.h"
#include "base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <glslang/Include/glslang_c_interface.h>
#include <glslang/Public/resource_limits_c.h>

enum {
    IN_FLIGHT = 2,        // batches_in_flight of the fixture's device
    MOST_COMMANDS = 1024, // in one batch
    SECOND_NS = 1000000000,
};

#define LONG_NS (60 * (uint64_t)SECOND_NS)

// How a test's kernels get their arguments: one value a row of its table.
typedef struct test_variant {
    const char *name;
    fm_binding_mode mode;
    bool indirect;         // the argument block lies in a buffer
    bool without_push;     // descriptor sets from pools
    bool without_barrier2; // vkCmdPipelineBarrier
} test_variant;

typedef struct fixture {
    const fmi_backend_ops *ops;
    fmi_backend *backend;
    fmi_backend_caps caps;
    test_variant variant;
    uint64_t value; // of the last batch submitted
    fmi_command *commands[MOST_COMMANDS];
    uint32_t command_count;
    uint32_t wave_ends[MOST_COMMANDS];
    uint32_t wave_count;
    uint32_t *wave_ns;   // for the next batch's plan; NULL: not timed
    fmi_batch_plan plan; // the last one
} fixture;

static inline bool count_device(void *user, const char *name, const char *description, fm_device_kind kind)
{
    (void)name;
    (void)description;
    (void)kind;
    ++*(uint32_t *)user;
    return true;
}

// Ends the program with 77 (skipped) where there is nothing to test; else the driver stays loaded to the program's end.
static inline void skip_without_device(void)
{
    uint32_t count = 0;
    bool loaded = false;
    if (fmi_backend_vulkan.load(&loaded) != FM_OK || fmi_backend_vulkan.list(count_device, &count) != FM_OK) {
        fprintf(stderr, "Listing the Vulkan devices fails: %s\n", fm_last_error());
        exit(1);
    }
    if (count == 0) {
        printf("Skipped: there is no Vulkan device.\n");
        exit(77);
    }
}

#define must(expression)                                                                                               \
    do {                                                                                                               \
        fm_status must_status = (expression);                                                                          \
        if (must_status != FM_OK) {                                                                                    \
            fail_msg("%s is %s: %s", #expression, fm_status_name(must_status), fm_last_error());                       \
        }                                                                                                              \
    } while (0)

static inline void fixture_open(fixture *f, test_variant variant)
{
    *f = (fixture){.ops = &fmi_backend_vulkan, .variant = variant};
    fmi_backend_settings settings = {.binding_mode = variant.mode, .batches_in_flight = IN_FLIGHT};
    must(f->ops->open("vulkan:0", &settings, &f->backend, &f->caps));
    // The paths of devices that offer less. Before any kernel exists, so that all are made for them.
    f->backend->pushes_descriptors = f->backend->pushes_descriptors && !variant.without_push;
    if (variant.without_barrier2) {
        f->backend->pipeline_barrier2 = NULL;
    }
}

static inline void fixture_close(fixture *f)
{
    f->ops->close(f->backend);
}

static inline fmi_block fixture_allocate(fixture *f, fm_memory_kind kind, uint64_t size_bytes)
{
    fmi_block block;
    must(f->ops->allocate_block(f->backend, kind, size_bytes, &block));
    return block;
}

// Compiles GLSL; the words are the caller's to free.
static inline uint32_t *compile_glsl(const char *source, size_t *out_size_bytes)
{
    glslang_input_t input = {
        .language = GLSLANG_SOURCE_GLSL,
        .stage = GLSLANG_STAGE_COMPUTE,
        .client = GLSLANG_CLIENT_VULKAN,
        .client_version = GLSLANG_TARGET_VULKAN_1_2,
        .target_language = GLSLANG_TARGET_SPV,
        .target_language_version = GLSLANG_TARGET_SPV_1_5,
        .code = source,
        .default_version = 460,
        .default_profile = GLSLANG_NO_PROFILE,
        .messages = GLSLANG_MSG_VULKAN_RULES_BIT | GLSLANG_MSG_SPV_RULES_BIT,
        .resource = glslang_default_resource(),
    };
    assert_true(glslang_initialize_process());
    glslang_shader_t *shader = glslang_shader_create(&input);
    if (!glslang_shader_preprocess(shader, &input) || !glslang_shader_parse(shader, &input)) {
        fail_msg("%s\n%s", glslang_shader_get_info_log(shader), source);
    }
    glslang_program_t *program = glslang_program_create();
    glslang_program_add_shader(program, shader);
    if (!glslang_program_link(program, GLSLANG_MSG_SPV_RULES_BIT | GLSLANG_MSG_VULKAN_RULES_BIT)) {
        fail_msg("%s", glslang_program_get_info_log(program));
    }
    glslang_program_SPIRV_generate(program, GLSLANG_STAGE_COMPUTE);
    *out_size_bytes = glslang_program_SPIRV_get_size(program) * sizeof(uint32_t);
    uint32_t *words = malloc(*out_size_bytes);
    assert_non_null(words);
    glslang_program_SPIRV_get(program, words);
    glslang_program_delete(program);
    glslang_shader_delete(shader);
    glslang_finalize_process();
    return words;
}

// A kernel of `span_count` uint buffers b0, b1, … and constants c.v[]; `body` is the text of main. Constants are words.
typedef struct kernel_text {
    const char *body;
    uint32_t span_count;
    uint32_t constant_words;
    uint32_t group_size;
    bool wants_group_count; // as group_count[3] behind the constants, and group_base[3] behind that
} kernel_text;

static inline void write_parameters(fmi_text *text, const kernel_text *kernel, bool addresses)
{
    for (uint32_t i = 0; addresses && i < kernel->span_count; i++) {
        fmi_text_format(text, "Buffer a%u; ", i);
    }
    if (kernel->constant_words) {
        fmi_text_format(text, "uint v[%u]; ", kernel->constant_words);
    }
    if (kernel->wants_group_count) {
        fmi_text_format(text, "uint group_count[3]; uint group_base[3]; ");
    }
}

static inline void write_glsl(fmi_text *text, const kernel_text *kernel, test_variant variant)
{
    bool addresses = variant.mode == FM_BINDING_ADDRESSES;
    bool has_block = addresses || kernel->constant_words || kernel->wants_group_count;
    fmi_text_format(text,
                    "#version 460\n#extension GL_EXT_buffer_reference : require\n"
                    "layout(local_size_x = %u) in;\n"
                    "layout(buffer_reference, std430) buffer Buffer { uint at[]; };\n",
                    kernel->group_size);
    for (uint32_t i = 0; i < kernel->span_count; i++) {
        if (addresses) {
            fmi_text_format(text, "#define b%u(i) c.a%u.at[i]\n", i, i);
        } else {
            // Gaps between the numbers: the backend must not assume 0, 1, 2.
            fmi_text_format(text,
                            "layout(set = 0, binding = %u, std430) buffer B%u { uint at%u[]; };\n#define b%u(i) "
                            "at%u[i]\n",
                            2 * i, i, i, i, i);
        }
    }
    if (has_block && addresses && variant.indirect) {
        fmi_text_format(text, "layout(buffer_reference, std430) buffer Arguments { ");
        write_parameters(text, kernel, true);
        fmi_text_format(text,
                        "};\nlayout(push_constant, std430) uniform P { Arguments arguments; };\n#define c arguments\n");
    } else if (has_block) {
        fmi_text_format(text, variant.indirect ? "layout(set = 0, binding = 33, std430) readonly buffer Arguments { "
                                               : "layout(push_constant, std430) uniform Arguments { ");
        write_parameters(text, kernel, addresses);
        fmi_text_format(text, "} c;\n");
    }
    fmi_text_format(text, "void main() { uint id = gl_GlobalInvocationID.x; %s }\n", kernel->body);
}

static inline fmi_kernel_binary *fixture_kernel(fixture *f, kernel_text kernel)
{
    fmi_text text = {0};
    write_glsl(&text, &kernel, f->variant);
    fmi_kernel_code code = {
        .name = "test",
        .binding_mode = f->variant.mode,
        .indirect_arguments = f->variant.indirect,
        .wants_group_count = kernel.wants_group_count,
        .wants_group_base = kernel.wants_group_count,
        .runs_in_parts = kernel.wants_group_count,
        .span_count = kernel.span_count,
        .arguments_binding = 33,
        .constants_size_bytes = kernel.constant_words * 4,
        .group_size = {kernel.group_size, 1, 1},
    };
    uint32_t *words = compile_glsl(fmi_text_get(&text), &code.code_size_bytes);
    code.code = words;
    for (uint32_t i = 0; i < kernel.span_count; i++) {
        code.binding_numbers[i] = 2 * i;
    }
    fmi_text log = {0};
    fmi_kernel_binary *binary = NULL;
    must(f->ops->create_kernel(f->backend, &code, &binary, &log));
    fmi_text_free(&log);
    fmi_text_free(&text);
    free(words);
    return binary;
}

static inline fmi_command *add_command(fixture *f, fmi_command_kind kind, const fmi_span *spans, uint32_t span_count,
                                       const void *constants, uint32_t constants_size_bytes)
{
    fmi_command *command = calloc(1, sizeof *command + span_count * sizeof(fmi_span) + constants_size_bytes);
    assert_non_null(command);
    assert_true(f->command_count < MOST_COMMANDS);
    command->kind = (uint8_t)kind;
    command->span_count = (uint8_t)span_count;
    command->constants_size_bytes = (uint16_t)constants_size_bytes;
    memcpy(command->spans, spans, span_count * sizeof(fmi_span));
    if (constants_size_bytes) {
        memcpy(&command->spans[span_count], constants, constants_size_bytes);
    }
    f->commands[f->command_count++] = command;
    return command;
}

static inline fmi_span span_of(const fmi_block *block, uint64_t offset_bytes, uint64_t size_bytes, fm_access access)
{
    return (fmi_span){.block = block, .offset_bytes = offset_bytes, .size_bytes = size_bytes, .access = access};
}

static inline fmi_command *add_dispatch(fixture *f, const fmi_kernel_binary *binary, uint32_t groups,
                                        const fmi_span *spans, uint32_t span_count, const uint32_t *constants,
                                        uint32_t constant_words)
{
    fmi_command *command = add_command(f, FMI_COMMAND_DISPATCH, spans, span_count, constants, constant_words * 4);
    command->binary = binary;
    command->group_count[0] = groups;
    command->group_count[1] = 1;
    command->group_count[2] = 1;
    return command;
}

static inline void add_copy(fixture *f, const fmi_block *from, uint64_t from_offset, const fmi_block *to,
                            uint64_t to_offset, uint64_t size_bytes)
{
    fmi_span spans[2] = {span_of(from, from_offset, size_bytes, FM_ACCESS_READ),
                         span_of(to, to_offset, size_bytes, FM_ACCESS_WRITE)};
    add_command(f, FMI_COMMAND_COPY, spans, 2, NULL, 0);
}

static inline void add_fill(fixture *f, const fmi_block *to, uint64_t offset, uint64_t size_bytes, uint32_t value)
{
    fmi_span span = span_of(to, offset, size_bytes, FM_ACCESS_WRITE);
    add_command(f, FMI_COMMAND_FILL, &span, 1, NULL, 0)->fill_value = value;
}

static inline void end_wave(fixture *f)
{
    f->wave_ends[f->wave_count++] = f->command_count;
}

static inline void free_commands(fixture *f)
{
    for (uint32_t i = 0; i < f->command_count; i++) {
        free(f->commands[i]);
    }
    f->command_count = 0;
    f->wave_count = 0;
}

// Submits what was added (its last wave must be ended) as the next value.
static inline fm_status submit(fixture *f, bool after_in_flight)
{
    f->plan = (fmi_batch_plan){
        .value = f->value + 1,
        .commands = f->commands,
        .command_count = f->command_count,
        .wave_ends = f->wave_ends,
        .wave_count = f->wave_count,
        .after_in_flight = after_in_flight,
        .wave_ns = f->wave_ns,
    };
    fm_status status = f->ops->submit(f->backend, &f->plan);
    f->value += status == FM_OK;
    return status;
}

static inline fm_status wait_value(fixture *f, uint64_t value, uint64_t timeout_ns)
{
    return f->ops->wait(f->backend, (const uint64_t[FMI_MOST_QUEUES]){value}, timeout_ns);
}

// Submits, waits, and frees the commands.
static inline void run_batch(fixture *f)
{
    must(submit(f, false));
    must(wait_value(f, f->value, LONG_NS));
    free_commands(f);
}

#endif
