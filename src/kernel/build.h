// Builds one variant of a kernel: generates its source, compiles it, and has the backend make a binary of it.
// Private to the kernel room: kernel.c has the recipe written, the cache looks the key up and has it made. Nothing is
// locked, and no variant is kept here. Any thread; different variants of one kernel may be built at the same time.
#ifndef FMI_KERNEL_BUILD_H
#define FMI_KERNEL_BUILD_H

#include "kernel/generate.h"
#include "kernel/source.h"
#include "kernel/target.h"
#include "variant/cache.h"
#include "variant/disk.h"

// A variant before it is made: what the compilers would get, and the key.
typedef struct fmi_recipe {
    const fmi_kernel *kernel; // borrowed
    fmi_kernel_code code;     // without SPIR-V where that is yet to be compiled
    fmi_generated generated;  // its text is owned
    fmi_text key;             // owned, unless the cache has kept it
} fmi_recipe;

// Turns a kernel given as GLSL or SPIR-V into a checked module, and fills in what it binds (module.c). Called once, at
// creation.
fm_status fmi_kernel_read_module(fmi_kernel *kernel);

// For module.c: compiles a text with one of the target's compilers. The last error is set, without the kernel's name.
fm_status fmi_kernel_compile(const fmi_kernel *kernel, fmi_compile compile, const char *text, void **out_code,
                             size_t *out_size_bytes);

// The disk cache. Nothing is handed out but what was written for exactly this key; generated code is as valid as it was
// when it was written, since its checksum binds it to the key, and given code is validated by whoever asked.
// `with_code`: a record without code is none.
bool fmi_kernel_uses_disk(const fmi_kernel *kernel);
bool fmi_kernel_load(const fmi_kernel *kernel, const fmi_text *key, bool with_code, fmi_disk_record *out);

// The code of a file, where code may lie; NULL if it cannot be any, or without memory.
void *fmi_kernel_copy_code(const fmi_disk_content *content);

// Who makes code of the kernel's texts, for its keys.
fmi_key_makers fmi_kernel_makers(const fmi_kernel *kernel);

// Generates the source for checked dtypes and writes the key. The last error is set without the caller's name. `out` is
// to be released in any case.
fm_status fmi_kernel_write_recipe(const fmi_kernel *kernel, uint64_t dtypes, fmi_recipe *out);
void fmi_recipe_release(fmi_recipe *recipe);

// Compiles a recipe (an fmi_cache_make). The last error is set without the caller's name.
fm_status fmi_recipe_make(void *recipe, fmi_made *out);

#endif
