// The table of targets. See target.h.
// A build without glslang has the row of SPIR-V all the same: its text can be asked for, and is refused where it would
// be compiled.
#include "kernel/target.h"

#include "base/error.h"
#include "base/text.h"

#include <stdlib.h>

#ifdef FMI_HAVE_GLSLANG

#include "kernel/spirv/compile.h"
#include "kernel/spirv/decorate.h"

#include <glslang/build_info.h>

static fm_status compile_glsl(const char *text, fmi_text *log, void **out_code, size_t *out_size_bytes)
{
    uint32_t *words = NULL;
    fm_status status = fmi_spirv_compile(text, log, &words, out_size_bytes);
    *out_code = words;
    return status;
}

static fm_status compile_generated(const char *text, fmi_text *log, void **out_code, size_t *out_size_bytes)
{
    uint32_t *words = NULL;
    fm_status status = fmi_spirv_compile(text, log, &words, out_size_bytes);
    if (status == FM_OK && fmi_spirv_decorate(&words, out_size_bytes) != FM_OK) {
        free(words);
        return FM_ERROR_OUT_OF_HOST_MEMORY;
    }
    *out_code = words;
    return status;
}

static fm_status read_spirv(const void *code, size_t size_bytes, fmi_reflection *out)
{
    fm_status status = fmi_spirv_check(code, size_bytes);
    return status == FM_OK ? fmi_spirv_reflect(code, size_bytes, out) : status;
}

#define GLSLANG_VERSION                                                                                                \
    {                                                                                                                  \
        GLSLANG_VERSION_MAJOR, GLSLANG_VERSION_MINOR, GLSLANG_VERSION_PATCH                                            \
    }

#else

static fm_status compile_generated(const char *text, fmi_text *log, void **out_code, size_t *out_size_bytes)
{
    (void)text, (void)log, (void)out_code, (void)out_size_bytes;
    return fmi_fail(FM_ERROR_UNSUPPORTED, "this build has no GLSL compiler");
}

#define compile_glsl NULL
#define read_spirv NULL
#define GLSLANG_VERSION                                                                                                \
    {                                                                                                                  \
        0                                                                                                              \
    }

#endif

static const fmi_target targets[] = {
    // libtcc binds what it makes to the addresses of its process.
    [FMI_CODE_C] = {.print = fmi_print_c, .key_kind = FMI_KEY_C},
    [FMI_CODE_SPIRV] = {.print = fmi_print_glsl,
                        .compile = compile_generated,
                        .key_kind = FMI_KEY_GLSL,
                        .may_be_kept = true,
                        .compile_module = compile_glsl,
                        .read_module = read_spirv,
                        .compiler_version = GLSLANG_VERSION},
    // The backend compiles: it finds its compiler when a device is opened.
    [FMI_CODE_CUDA] = {.print = fmi_print_cuda, .key_kind = FMI_KEY_CUDA, .may_be_kept = true},
};

const fmi_target *fmi_target_of(fmi_code_kind kind)
{
    return &targets[kind];
}
