// GLSL to SPIR-V. See compile.h.
// glslang keeps its state per shader and per thread, and locks what threads share itself, so compiles run side by side. What they share
// is made by the first one and given back when the library is unloaded; no fork cuts a compile in two.
// SPIR-V is not optimized here: drivers do that, and glslang's output is what they know best.
#include "kernel/spirv/compile.h"

#include "base/error.h"
#include "base/process.h"

#include <glslang/Include/glslang_c_interface.h>
#include <glslang/Public/resource_limits_c.h>
#include <limits.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

// What glslang's own end leaves behind in the versions that have it: two thread-specific keys, of which a process has 1024. They are C++ and
// in no header; weak, as newer versions have none of them.
extern bool glslang_detach_process(void) __asm__("_ZN7glslang13DetachProcessEv") __attribute__((weak));
extern bool glslang_free_key(void *key) __asm__("_ZN7glslang15OS_FreeTLSIndexEPv") __attribute__((weak));
extern void *glslang_pool_key __asm__("_ZN7glslang9PoolIndexE") __attribute__((weak));

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; // guards `started`; held in a section
static bool started;

static void free_keys(void)
{
    if (glslang_detach_process) {
        (void)glslang_detach_process();
    }
    if (&glslang_pool_key && glslang_free_key && glslang_pool_key) {
        (void)glslang_free_key(glslang_pool_key);
        glslang_pool_key = NULL;
    }
}

static bool start(void)
{
    pthread_mutex_lock(&lock);
    if (!started) {
        started = glslang_initialize_process() != 0;
        if (!started) {
            free_keys(); // it may have got one of two, and would not ask again
        }
    }
    bool ready = started;
    pthread_mutex_unlock(&lock);
    return ready;
}

static void __attribute__((destructor)) stop(void)
{
    if (started && fmi_process_goes_on()) {
        glslang_finalize_process();
        free_keys();
    }
}

static fm_status copy_words(glslang_program_t *program, uint32_t **out_words, size_t *out_size_bytes)
{
    size_t count = glslang_program_SPIRV_get_size(program);
    uint32_t *words = malloc(count * sizeof *words + 1);
    if (!words) {
        return fmi_fail(FM_ERROR_OUT_OF_HOST_MEMORY, "no host memory for a compiled kernel");
    }
    glslang_program_SPIRV_get(program, words);
    *out_words = words;
    *out_size_bytes = count * sizeof *words;
    return FM_OK;
}

// Links one parsed shader and copies its SPIR-V.
static fm_status generate(glslang_shader_t *shader, int messages, fmi_text *log, uint32_t **out_words,
                          size_t *out_size_bytes)
{
    glslang_program_t *program = glslang_program_create();
    if (!program) {
        return fmi_fail(FM_ERROR_OUT_OF_HOST_MEMORY, "no host memory to compile a kernel");
    }
    fm_status status = FM_ERROR_COMPILE;
    glslang_program_add_shader(program, shader);
    if (glslang_program_link(program, messages)) {
        glslang_program_SPIRV_generate(program, GLSLANG_STAGE_COMPUTE);
        status = copy_words(program, out_words, out_size_bytes);
    } else {
        fmi_text_format(log, "%s\n", glslang_program_get_info_log(program));
    }
    glslang_program_delete(program);
    return status;
}

static fm_status compile(const char *glsl, fmi_text *log, uint32_t **out_words, size_t *out_size_bytes)
{
    if (!start()) {
        return fmi_fail(FM_ERROR_OUT_OF_HOST_MEMORY, "the compiler cannot start: it wants host memory and two of the "
                                                     "process's thread-specific keys");
    }
    // Workgroup sizes are checked against the device, not against glslang's idea of one.
    glslang_resource_t limits = *glslang_default_resource();
    limits.max_compute_work_group_size_x = limits.max_compute_work_group_size_y = limits.max_compute_work_group_size_z =
        INT_MAX;
    const int messages = GLSLANG_MSG_SPV_RULES_BIT | GLSLANG_MSG_VULKAN_RULES_BIT;
    const glslang_input_t input = {
        .language = GLSLANG_SOURCE_GLSL,
        .stage = GLSLANG_STAGE_COMPUTE,
        .client = GLSLANG_CLIENT_VULKAN,
        .client_version = GLSLANG_TARGET_VULKAN_1_2,
        .target_language = GLSLANG_TARGET_SPV,
        .target_language_version = GLSLANG_TARGET_SPV_1_5,
        .code = glsl,
        .default_version = 460,
        .default_profile = GLSLANG_NO_PROFILE,
        .messages = (glslang_messages_t)messages,
        .resource = &limits,
    };
    glslang_shader_t *shader = glslang_shader_create(&input);
    if (!shader) {
        return fmi_fail(FM_ERROR_OUT_OF_HOST_MEMORY, "no host memory to compile a kernel");
    }
    fm_status status = FM_ERROR_COMPILE;
    if (glslang_shader_preprocess(shader, &input) && glslang_shader_parse(shader, &input)) {
        status = generate(shader, messages, log, out_words, out_size_bytes);
    } else {
        fmi_text_format(log, "%s\n", glslang_shader_get_info_log(shader));
    }
    glslang_shader_delete(shader);
    return status;
}

fm_status fmi_spirv_compile(const char *glsl, fmi_text *log, uint32_t **out_words, size_t *out_size_bytes)
{
    fmi_process_enter();
    fm_status status = compile(glsl, log, out_words, out_size_bytes);
    fmi_process_leave();
    return status;
}
