// GLSL to SPIR-V for the hand-written floors, by glslang. See raw_vulkan.h. Any thread.
#include "raw_vulkan.h"

#include <glslang/Include/glslang_c_interface.h>
#include <glslang/Public/resource_limits_c.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool link_program(glslang_program_t *program, const glslang_input_t *input, uint32_t **out_words,
                         size_t *out_size_bytes)
{
    if (!glslang_program_link(program, (int)input->messages)) {
        fprintf(stderr, "fermata-bench: the floor's kernel does not link: %s\n", glslang_program_get_info_log(program));
        return false;
    }
    glslang_program_SPIRV_generate(program, input->stage);
    size_t size_bytes = glslang_program_SPIRV_get_size(program) * sizeof(uint32_t);
    uint32_t *words = malloc(size_bytes);
    if (!words) {
        fprintf(stderr, "fermata-bench: no memory is left\n");
        return false;
    }
    memcpy(words, glslang_program_SPIRV_get_ptr(program), size_bytes);
    *out_words = words;
    *out_size_bytes = size_bytes;
    return true;
}

static bool compile(const glslang_input_t *input, uint32_t **out_words, size_t *out_size_bytes)
{
    glslang_shader_t *shader = glslang_shader_create(input);
    if (!shader) {
        return false;
    }
    bool good = glslang_shader_preprocess(shader, input) && glslang_shader_parse(shader, input);
    if (!good) {
        fprintf(stderr, "fermata-bench: the floor's kernel does not compile: %s\n",
                glslang_shader_get_info_log(shader));
    }
    glslang_program_t *program = good ? glslang_program_create() : NULL;
    if (program) {
        glslang_program_add_shader(program, shader);
        good = link_program(program, input, out_words, out_size_bytes);
        glslang_program_delete(program);
    }
    glslang_shader_delete(shader);
    return good && program;
}

bool raw_compile(const char *glsl, uint32_t **out_words, size_t *out_size_bytes)
{
    glslang_input_t input = {
        .language = GLSLANG_SOURCE_GLSL,
        .stage = GLSLANG_STAGE_COMPUTE,
        .client = GLSLANG_CLIENT_VULKAN,
        .client_version = GLSLANG_TARGET_VULKAN_1_2,
        .target_language = GLSLANG_TARGET_SPV,
        .target_language_version = GLSLANG_TARGET_SPV_1_5,
        .code = glsl,
        .default_version = 450,
        .default_profile = GLSLANG_NO_PROFILE,
        .messages = GLSLANG_MSG_SPV_RULES_BIT | GLSLANG_MSG_VULKAN_RULES_BIT,
        .resource = glslang_default_resource(),
    };
    glslang_initialize_process(); // counted: Fermata's own use of glslang is not disturbed
    bool good = compile(&input, out_words, out_size_bytes);
    glslang_finalize_process();
    return good;
}
